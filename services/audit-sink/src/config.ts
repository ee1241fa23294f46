import type { Parsed } from "@vigie/service-kit/config";
import {
  auditConfig,
  checkpointKeyConfig,
  keysConfig,
  tilesConfig,
} from "@vigie/service-kit/shared-config";
import { sinkServiceConfig } from "@vigie/service-kit/sink-service";
import { witnessesConfig } from "./checkpoint/config.ts";

export const auditSinkConfig = {
  ...sinkServiceConfig({ metricsPort: 9105, batchRecordsMax: 2_000 }),
  ...keysConfig,
  ...auditConfig,
  ...checkpointKeyConfig,
  ...tilesConfig,
  ...witnessesConfig,
};

export type AuditSinkConfig = Parsed<typeof auditSinkConfig>;
