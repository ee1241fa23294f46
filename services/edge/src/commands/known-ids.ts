import { VigError } from "@vigie/core/errors";
import { SessionName } from "@vigie/core/keys";
import { isNameUuid, tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { type Database, isDatabaseAway } from "@vigie/service-kit/postgres/database";
import { IS_SESSION } from "@vigie/service-kit/sessions/stub-rows";
import type { EdgeContext } from "../context.ts";

/**
 * Lists show ids as UUIDs (CNF-10), events and commands have them as the source wrote them. These find the latter by
 * either.
 */

interface Person {
  readonly tenantId: string;
  readonly userId: string;
}

/** Throws: VIG_DATABASE_UNSET. */
export function databaseOf({ database }: Pick<EdgeContext, "database">): Database {
  if (database !== null) return database;
  throw new VigError("VIG_DATABASE_UNSET");
}

const SESSION = `
  select session_key as key from user_sessions
   where tenant_id = $1 and user_id = $2 and id = $3
     and ${IS_SESSION}`;
const DEVICE = `
  select external_id as key from user_devices
   where tenant_id = $1 and user_id = $2 and id = $3`;
const USER = "select external_id as key from users where tenant_id = $1 and id = $2";

/**
 * A person's session by its own id or its UUID.
 * Throws: VIG_NOT_FOUND when it is nobody's, or somebody else's; VIG_SESSION_STATE_UNKNOWN, VIG_DATABASE_AWAY.
 */
export async function sessionOf(
  context: Pick<EdgeContext, "view" | "database">,
  { tenantId, userId }: Person,
  given: string,
): Promise<string> {
  const answer = await context.view.resolve(new SessionName(tenantId, userId, given));
  if (answer.kind !== "unknown") return given;
  const id = uuidOf(tenantId, "session", given);
  const values = [tenantUuid(tenantId), uuidOf(tenantId, "user", userId), id];
  const { database } = context;
  const key = database === null ? null : await keyIn(database, tenantId, SESSION, values);
  if (key === null) throw new VigError("VIG_NOT_FOUND", { what: "session" });
  return key;
}

/** A person's session, for who may command one that nobody has heard of yet; as with a device. */
export function sessionOrGiven(
  context: Pick<EdgeContext, "database">,
  { tenantId, userId }: Person,
  given: string,
): Promise<string> {
  const id = uuidOf(tenantId, "session", given);
  const values = [tenantUuid(tenantId), uuidOf(tenantId, "user", userId), id];
  return keyOr(given, context.database, tenantId, { statement: SESSION, values });
}

/**
 * A person's device; one that nobody has heard of is taken as it is given, and while PostgreSQL is away any that is
 * not our own UUID. Throws: VIG_DATABASE_AWAY.
 */
export function deviceOf(
  context: Pick<EdgeContext, "database">,
  { tenantId, userId }: Person,
  given: string,
): Promise<string> {
  const id = uuidOf(tenantId, "device", given);
  const values = [tenantUuid(tenantId), uuidOf(tenantId, "user", userId), id];
  return keyOr(given, context.database, tenantId, { statement: DEVICE, values });
}

/** A user; as with a device, revoking must work while PostgreSQL is away. */
export function userOf(
  context: Pick<EdgeContext, "database">,
  tenantId: string,
  given: string,
): Promise<string> {
  const values = [tenantUuid(tenantId), uuidOf(tenantId, "user", given)];
  return keyOr(given, context.database, tenantId, { statement: USER, values });
}

interface Lookup {
  readonly statement: string;
  readonly values: readonly string[];
}

async function keyOr(
  given: string,
  database: Database | null,
  tenantId: string,
  { statement, values }: Lookup,
): Promise<string> {
  if (database === null) return given;
  try {
    return (await keyIn(database, tenantId, statement, values)) ?? given;
  } catch (error) {
    // An id that only PostgreSQL can read would mean nobody, and the call would be answered as done.
    if (isDatabaseAway(error) && !isNameUuid(given)) return given;
    throw error;
  }
}

async function keyIn(
  database: Database,
  tenantId: string,
  statement: string,
  values: readonly string[],
): Promise<string | null> {
  const { rows } = await database.inTenant(tenantId, (tx) =>
    tx.query<{ readonly key: string }>(statement, values),
  );
  return rows[0]?.key ?? null;
}
