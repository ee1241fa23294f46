import { userKey } from "@vigie/core/keys";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";

/** A person as tokens and events name them. */
export interface Person {
  readonly tenantId: string;
  readonly userId: string;
}

/** The same as rows have it: the ids that every other table of the platform knows them by. */
export interface PersonRow {
  readonly tenantId: string;
  readonly userId: string;
}

export const rowOf = ({ tenantId, userId }: Person): PersonRow => ({
  tenantId: tenantUuid(tenantId),
  userId: uuidOf(tenantId, "user", userId),
});

/** The key of their records. */
export const keyOf = ({ tenantId, userId }: Person): string => userKey(tenantId, userId);
