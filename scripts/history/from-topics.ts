import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS } from "@vigie/core/time";
import { userAgentParser } from "@vigie/detector/enrich/user-agent";
import { GeoIpDatabases } from "@vigie/geoip/databases";
import { geoPaths, openShared, readGeoFiles } from "@vigie/geoip/files";
import { openCodecs } from "@vigie/schemas/codecs";
import type { Parsed } from "@vigie/service-kit/config";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import { openKeys } from "@vigie/service-kit/kms/open-keys";
import {
  eventsConfig,
  geoipConfig,
  geoipPaths,
  kafkaConfig,
  keysConfig,
  registryConfig,
} from "@vigie/service-kit/shared-config";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import type { Span } from "./arguments.ts";
import { type Exported, exportHistory } from "./export.ts";

export const topicsConfig = {
  ...kafkaConfig,
  ...registryConfig,
  ...keysConfig,
  ...geoipConfig,
  ...eventsConfig,
};

export interface Wanted extends Span {
  readonly directory: string;
  readonly tenant: string | null;
}

/** Exports what the topics of an installation hold. Throws: as `exportHistory`; VIG_GEOIP_INVALID. */
export async function exportFromTopics(
  config: Parsed<typeof topicsConfig>,
  wanted: Wanted,
): Promise<Exported> {
  const { prefix, ...reach } = kafkaOptions(config);
  const cacheDir = mkdtempSync(join(tmpdir(), "vigie-history-"));
  const log = silentLogger;
  const registryUrl = config.SCHEMA_REGISTRY_URL;
  const codecs = await openCodecs({ registryUrl, cacheDir, prefix, log });
  const client = openKafka({ ...reach, clientId: "vigie-history", log });
  const files = await readGeoFiles(geoPaths(geoipPaths(config)));
  const geoip = new GeoIpDatabases(openShared(files));
  try {
    const admin = await openAdmin(client);
    const reader = await openLoneReader(client);
    try {
      return await exportHistory({
        ...wanted,
        reader,
        partitionsOf: async (topic) => (await admin.partitionCounts([topic])).get(topic) ?? null,
        codecs,
        prefix,
        enrichment: { geoip, userAgentOf: userAgentParser() },
        keys: await openKeys(config),
        log,
        maxEventAgeMs: config.MAX_EVENT_AGE_DAYS * DAY_MS,
        maxAheadMs: config.MAX_EVENT_AHEAD_MS,
      });
    } finally {
      await Promise.all([reader.close(), admin.close()]);
    }
  } finally {
    codecs.close();
    rmSync(cacheDir, { recursive: true, force: true });
  }
}
