import type { Parsed } from "@vigie/service-kit/config";
import { openStore, placeFault } from "@vigie/service-kit/objects/open-store";
import type { ObjectStore } from "@vigie/service-kit/objects/store";
import type { tilesConfig } from "@vigie/service-kit/shared-config";

export type StoreConfig = Pick<Parsed<typeof tilesConfig>, "AUDIT_S3_ENDPOINT" | "AUDIT_S3_REGION">;

/** The store of a place, with the configured way to buckets. */
export const storeOf = (place: string, config: StoreConfig): Promise<ObjectStore> =>
  openStore(place, { endpoint: config.AUDIT_S3_ENDPOINT, region: config.AUDIT_S3_REGION });

export { placeFault };
