import { integer, type Parsed } from "@vigie/service-kit/config";
import {
  auditConfig,
  databaseConfig,
  kafkaConfig,
  keysConfig,
  metricsPortConfig,
  processConfig,
  registryConfig,
  stateConfig,
} from "@vigie/service-kit/shared-config";

export const auditSinkConfig = {
  ...processConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...databaseConfig,
  ...stateConfig,
  ...keysConfig,
  ...auditConfig,
  ...metricsPortConfig(9105),
  BATCH_RECORDS_MAX: integer({
    about: "records of one transaction",
    min: 1,
    max: 20_000,
    default: 2_000,
  }),
  BATCH_MS: integer({
    about: "a transaction waits so long for more records",
    min: 0,
    max: 5_000,
    default: 20,
  }),
};

export type AuditSinkConfig = Parsed<typeof auditSinkConfig>;
