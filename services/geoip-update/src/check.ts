import { VigError } from "@vigie/core/errors";
import { metadataOf } from "@vigie/geoip/data";
import { GeoIpDatabases } from "@vigie/geoip/databases";
import type { GeoFile } from "@vigie/geoip/geoip";

/**
 * One address in each /8 that can be public. Source: of 3,568 addresses like these the databases of DB-IP know a place
 * for 99 %, and an operator for 90 %.
 */
const probes = Array.from({ length: 223 }, (_, i) => `${i + 1}.16.0.1`);
const KNOWN_SHARE_MIN = 0.5;

/**
 * Whether a database is what it is said to be, and answers.
 * Throws: VIG_GEOIP_INVALID saying what is wrong.
 */
export function checkDatabase(edition: string, database: GeoFile): void {
  const file = `${edition}.mmdb`;
  const refused = (why: string): VigError => new VigError("VIG_GEOIP_INVALID", { file, why });
  const type = metadataOf(database)?.type ?? null;
  if (type === null) throw refused("it is no mmdb file");
  if (type !== edition) throw refused(`it calls itself ${type}`);
  const isCity = edition.endsWith("-City");
  const named = [{ file, bytes: database.bytes }];
  const [city, asn] = isCity ? [named, []] : [[], named];
  const geoip = new GeoIpDatabases({ city, asn, generation: 1 });
  const known = probes.filter((ip) => {
    const { place, organisation } = geoip.lookup(ip);
    return (isCity ? place : organisation) !== null;
  });
  const share = known.length / probes.length;
  if (share < KNOWN_SHARE_MIN)
    throw refused(`it knows ${known.length} of ${probes.length} addresses`);
}
