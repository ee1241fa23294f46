import { integer } from "@vigie/service-kit/config";
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
    about: "waits this long for a slower input",
    min: 0,
    max: 60_000,
    default: 100,
  }),
};
