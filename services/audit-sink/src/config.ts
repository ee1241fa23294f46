import type { Parsed } from "@vigie/service-kit/config";
import { auditConfig, keysConfig } from "@vigie/service-kit/shared-config";
import { sinkServiceConfig } from "@vigie/service-kit/sink-service";

export const auditSinkConfig = {
  ...sinkServiceConfig({ metricsPort: 9105, batchRecordsMax: 2_000 }),
  ...keysConfig,
  ...auditConfig,
};

export type AuditSinkConfig = Parsed<typeof auditSinkConfig>;
