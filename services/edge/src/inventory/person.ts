import { VigError } from "@vigie/core/errors";
import type { Caller } from "@vigie/service-kit/http/jwt";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Queryable } from "@vigie/service-kit/postgres/database";

/** Whose rows are read. Ids are those of rows (CNF-10), keys those of tokens and events. */
export interface Person {
  readonly tenantId: string;
  readonly tenantKey: string;
  readonly userId: string;
  readonly userKey: string;
}

/** Who calls (TEN-04). */
export const callingPerson = ({ tenantId, subject }: Caller): Person => ({
  tenantId: tenantUuid(tenantId),
  tenantKey: tenantId,
  userId: uuidOf(tenantId, "user", subject),
  userKey: subject,
});

/** The caller's session as a row id; null for a token without one. */
export const currentSessionId = ({ tenantId, sessionId }: Caller): string | null =>
  sessionId === null ? null : uuidOf(tenantId, "session", sessionId);

const USER = "select external_id from users where tenant_id = $1::uuid and id = $2::uuid";

/**
 * A user of the tenant by either id.
 * Throws: VIG_NOT_FOUND when the tenant has no such user, whoever else may have.
 */
export async function findPerson(tx: Queryable, tenantKey: string, given: string): Promise<Person> {
  const tenantId = tenantUuid(tenantKey);
  const userId = uuidOf(tenantKey, "user", given);
  const { rows } = await tx.query<{ external_id: string }>(USER, [tenantId, userId]);
  const [user] = rows;
  if (user === undefined) throw new VigError("VIG_NOT_FOUND", { what: "user" });
  return { tenantId, tenantKey, userId, userKey: user.external_id };
}
