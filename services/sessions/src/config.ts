import { integer, oneOf } from "@vigie/service-kit/config";
import {
  eventsConfig,
  kafkaConfig,
  keysConfig,
  metricsPortConfig,
  processConfig,
  registryConfig,
  stateConfig,
} from "@vigie/service-kit/shared-config";

export const sessionsConfig = {
  ...processConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...stateConfig,
  ...keysConfig,
  ...eventsConfig,
  ...metricsPortConfig(9102),
  MAX_TASK_IDLE_MS: integer({
    about: "a task waits this long for an input that has more to read",
    min: 0,
    max: 60_000,
    default: 1_000,
  }),
  PROCESSING_ERROR: oneOf(["stop", "dlq"], {
    about: "what an error of our own ends: the task, or only the record",
    default: "stop",
  }),
};
