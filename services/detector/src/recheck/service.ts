import { join } from "node:path";
import type { Logger } from "@vigie/core/log";
import { GeoIpDatabases } from "@vigie/geoip/databases";
import { type GeoPaths, openShared, type SharedFiles } from "@vigie/geoip/files";
import { openCodecs } from "@vigie/schemas/codecs";
import type { Parsed } from "@vigie/service-kit/config";
import { codecsOptions, kafkaOptions } from "@vigie/service-kit/kafka-config";
import type { Metrics } from "@vigie/service-kit/metrics";
import { openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import { rules } from "#rules/index";
import type { detectorConfig } from "../config.ts";
import { followData } from "./follow-data.ts";
import { digestOf, geoMark } from "./geo-mark.ts";
import { type RecheckCounts, recheck } from "./recheck.ts";

export interface RecheckServiceOptions {
  readonly config: Parsed<typeof detectorConfig>;
  readonly paths: GeoPaths;
  /** As they were read at the start. */
  readonly files: SharedFiles;
  /** Looks at the files now; `changed` is told of others. Returns: whether there were any. */
  look(): Promise<boolean>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface RecheckService {
  /** The files are others by now. */
  changed(files: SharedFiles): void;
  close(): Promise<void>;
}

/** Withdraws, in the background, what newer GeoIP data contradicts. Connected to the servers only while it works. */
export function startRecheck(options: RecheckServiceOptions): RecheckService {
  const { config, paths, look, log, metrics } = options;
  const counter = metrics.counter(
    "vigie_rechecked_anomalies_total",
    "Anomalies judged again by newer GeoIP data, by verdict",
    ["verdict"],
  );
  let { files } = options;
  const following = followData({
    mark: geoMark(join(config.VIGIE_STATE_DIR, `${config.VIGIE_TOPIC_PREFIX}geoip.sha256`)),
    digest: () => digestOf([...paths.city, ...paths.asn]),
    refresh: look,
    run: (signal) => run({ config, files, log }, signal),
    done: (counts) => {
      for (const [verdict, count] of Object.entries(counts)) counter.inc({ verdict }, count);
    },
    log,
  });
  return {
    changed(others) {
      files = others;
      following.changed();
    },
    close: () => following.close(),
  };
}

async function run(
  { config, files, log }: Pick<RecheckServiceOptions, "config" | "files" | "log">,
  signal: AbortSignal,
): Promise<RecheckCounts> {
  const geoip = new GeoIpDatabases(openShared(files));
  const kafka = kafkaOptions(config);
  const { prefix } = kafka;
  const client = openKafka({ ...kafka, clientId: "vigie.detector.recheck", log });
  const codecs = await openCodecs({
    ...codecsOptions(config),
    log,
  });
  const reader = await openLoneReader(client);
  const producer = await openBatchingProducer(client);
  const shared = { reader, producer, codecs, rules, geoip, prefix, clock: Date.now, signal };
  try {
    // A registry that is away is waited for; the stop is not.
    return await Promise.race([recheck(shared), aborted(signal)]);
  } finally {
    codecs.close();
    await Promise.all([reader.close(), producer.close()]);
  }
}

/** Rejects once the signal says so. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    if (signal.aborted) reject(signal.reason);
  });
