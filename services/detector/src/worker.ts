import { RULE_NAMES } from "@vigie/core/policy";
import { DAY_MS } from "@vigie/core/time";
import { GeoIpDatabases } from "@vigie/geoip/databases";
import { followGeoFiles, openShared, type SharedFiles } from "@vigie/geoip/files";
import { openCodecs } from "@vigie/schemas/codecs";
import type { Parsed } from "@vigie/service-kit/config";
import { codecsOptions, kafkaOptions } from "@vigie/service-kit/kafka-config";
import { awaitKeys } from "@vigie/service-kit/kms/open-keys";
import { anomalyMetrics, type Metrics } from "@vigie/service-kit/metrics";
import { startLater } from "@vigie/service-kit/start-later";
import { streamObserver } from "@vigie/service-kit/stream-observer";
import type { RunningWorker, WorkerContext } from "@vigie/service-kit/workers";
import type { StreamObserver } from "@vigie/stream/observer";
import type { AnyProcessor } from "@vigie/stream/processor";
import { type RunningProcessor, startProcessor } from "@vigie/stream/runtime";
import { createDetector } from "./app.ts";
import type { detectorConfig } from "./config.ts";
import { type AddressNames, addressNames } from "./spray/address-names.ts";
import { createSprayProcessor } from "./spray/processor.ts";

export interface DetectorData {
  readonly config: Parsed<typeof detectorConfig>;
  /** Read once for all threads. */
  readonly geoFiles: SharedFiles;
}

/** One thread of the detector: a member of the group with tasks of its own. */
export async function start(context: WorkerContext<DetectorData>): Promise<RunningWorker> {
  const { index, data, log, metrics, health } = context;
  const { config, geoFiles } = data;
  for (const part of ["kafka", "registry", "tasks"]) health.declare(part);
  const observer = countingAnomalies(streamObserver(metrics, health, "detector"), metrics);
  const kafka = kafkaOptions(config);
  const codecs = await openCodecs({
    ...codecsOptions(config),
    log,
    observer,
    registerMissing: config.NODE_ENV !== "production",
  });
  const geoip = new GeoIpDatabases(openShared(geoFiles));
  const following = followGeoFiles((files) => geoip.replace(openShared(files)));
  const refused = metrics.counter("vigie_policies_refused_total", "Policy documents not usable");
  const names = await namesOf(config, context);
  const processor = createDetector({
    codecs,
    geoip,
    log,
    maxEventAgeMs: config.MAX_EVENT_AGE_DAYS * DAY_MS,
    maxAheadMs: config.MAX_EVENT_AHEAD_MS,
    ...(names !== null && { addresses: names }),
    policyRefused: () => refused.inc(),
    ...(config.VIGIE_BENCH === "1" && { firstRecord: sayFirst }),
  });
  const common = {
    ...kafka,
    stateDir: config.VIGIE_STATE_DIR,
    log,
    createInternalTopics: config.NODE_ENV !== "production",
    maxTaskIdleMs: config.MAX_TASK_IDLE_MS,
    commitRecordsMax: config.COMMIT_RECORDS_MAX,
    commitIntervalMs: config.COMMIT_INTERVAL_MS,
    cacheEntriesMax: config.STATE_CACHE_ENTRIES,
    processingError: config.PROCESSING_ERROR,
    member: String(index),
  };
  // They wait for the registry and the broker; the thread answers meanwhile.
  const run = (
    given: AnyProcessor,
    observed: StreamObserver,
    commitPauseMs = 0,
  ): RunningProcessor =>
    startLater(async () => {
      await codecs.ready();
      return startProcessor(given, { ...common, commitPauseMs, observer: observed });
    });
  const running = [run(processor, observer)];
  if (names !== null) {
    health.declare(SPRAY_TASKS);
    const spray = createSprayProcessor({ codecs });
    const observed = streamObserver(metrics, health, spray.name, SPRAY_TASKS);
    running.push(run(spray, countingAnomalies(observed, metrics), SPRAY_COMMIT_PAUSE_MS));
  }
  return {
    failed: Promise.race(running.map(({ failed }) => failed)),
    async stop() {
      await Promise.all(running.map((each) => each.stop()));
      codecs.close();
      following.close();
    },
  };
}

/**
 * Tries trickle in, and without a pause nearly each would have a transaction of its own, of some ten requests. A
 * quarter of a second is nothing to a window of minutes.
 */
const SPRAY_COMMIT_PAUSE_MS = 250;

/** What the health calls the tasks that are kept by address. */
const SPRAY_TASKS = "spray_tasks";

/** What addresses are called; without keys they have no names, and the rule that goes by them is off. */
async function namesOf(
  config: DetectorData["config"],
  { log, health }: WorkerContext<DetectorData>,
): Promise<AddressNames | null> {
  const { VIGIE_KEYS_FILE: file, VIGIE_KMS_ENDPOINT } = config;
  if (file !== null) {
    const keys = { VIGIE_KEYS_FILE: file, VIGIE_KMS_ENDPOINT };
    return addressNames(await awaitKeys(keys, { log, health }));
  }
  log.warn({ rule: "credential_spray", needs: "VIGIE_KEYS_FILE" }, "rule_off");
  return null;
}

const ruleNames: ReadonlySet<string> = new Set(RULE_NAMES);

const sayFirst = (): void => {
  process.stdout.write(`FIRST ${Date.now()}\n`);
};

/** OBS-03: each rule is an output of its own name, so what was committed is known by kind. */
function countingAnomalies(observer: StreamObserver, metrics: Metrics): StreamObserver {
  const { detected } = anomalyMetrics(metrics);
  return {
    ...observer,
    committed(event) {
      observer.committed(event);
      for (const [kind, count] of Object.entries(event.emitted)) {
        if (ruleNames.has(kind)) detected.inc({ kind }, count);
      }
    },
  };
}
