import type { Parsed } from "@vigie/service-kit/config";
import { databaseConfig, keysConfig, prefixConfig } from "@vigie/service-kit/shared-config";

export const projectionConfig = { ...databaseConfig, ...prefixConfig, ...keysConfig };
export type ProjectionConfig = Parsed<typeof projectionConfig>;
