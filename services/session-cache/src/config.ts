import type { Parsed } from "@vigie/service-kit/config";
import {
  kafkaConfig,
  metricsPortConfig,
  processConfig,
  redisConfig,
  registryConfig,
  stateConfig,
} from "@vigie/service-kit/shared-config";

export const sessionCacheConfig = {
  ...processConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...redisConfig,
  ...stateConfig,
  ...metricsPortConfig(9104),
};

export type SessionCacheConfig = Parsed<typeof sessionCacheConfig>;
