import { integer, oneOf } from "@vigie/service-kit/config";
import {
  eventsConfig,
  geoipConfig,
  kafkaConfig,
  keysOrLessConfig,
  metricsPortConfig,
  processConfig,
  registryConfig,
  stateConfig,
} from "@vigie/service-kit/shared-config";

export const detectorConfig = {
  ...processConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...stateConfig,
  ...eventsConfig,
  ...geoipConfig,
  ...keysOrLessConfig,
  ...metricsPortConfig(9101),
  DETECTOR_WORKERS: integer({
    about: "threads, each a member of the group; 0 runs in the main thread",
    min: 0,
    max: 64,
    default: 2,
  }),
  MAX_TASK_IDLE_MS: integer({
    about: "a task waits this long for an input that has more to read",
    min: 0,
    max: 60_000,
    default: 1_000,
  }),
  COMMIT_RECORDS_MAX: integer({
    about: "records of one transaction",
    min: 1,
    max: 10_000,
    default: 4_000,
  }),
  COMMIT_INTERVAL_MS: integer({
    about: "under load a transaction gathers records for this long",
    min: 1,
    max: 1_000,
    default: 100,
  }),
  STATE_CACHE_ENTRIES: integer({
    about: "decoded states that each partition keeps",
    min: 0,
    max: 1_000_000,
    // Enough for users who are busy just now; more only gives the garbage collector more to carry.
    default: 2_000,
  }),
  PROCESSING_ERROR: oneOf(["stop", "dlq"], {
    about: "what an error of our own ends: the task, or only the record",
    default: "stop",
  }),
  VIGIE_BENCH: oneOf(["0", "1"], {
    about: "1 prints FIRST and the time at the first record, for measuring from outside",
    default: "0",
  }),
};
