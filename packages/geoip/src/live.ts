import type { Logger } from "@vigie/core/log";
import type { GeoData } from "./data.ts";
import { GeoIpDatabases } from "./databases.ts";
import { type GeoPaths, type GeoWatch, openShared, readGeoFiles, watchGeoFiles } from "./files.ts";
import type { GeoIp } from "./geoip.ts";

/** Databases whose files may be replaced while they are asked. */
export interface LiveGeoIp extends GeoIp, GeoWatch {
  /** Of the files that answer now. */
  data(): GeoData;
}

/** For a service with one thread. Throws: VIG_GEOIP_INVALID when the files are of no use at the start. */
export async function openGeoIp(paths: GeoPaths, log: Logger): Promise<LiveGeoIp> {
  const first = await readGeoFiles(paths);
  const databases = new GeoIpDatabases(openShared(first));
  let { data } = first;
  const watch = watchGeoFiles(
    paths,
    first,
    (others) => {
      databases.replace(openShared(others));
      ({ data } = others);
    },
    log,
  );
  return {
    lookup: (ip) => databases.lookup(ip),
    data: () => data,
    look: watch.look,
    close: watch.close,
  };
}
