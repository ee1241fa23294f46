import type { Logger } from "@vigie/core/log";
import type { Database } from "@vigie/service-kit/postgres/database";

/** Warned of in one go; the rest comes with the next. */
const ROWS_MAX = 10_000;

const TAKE = `
  update user_sessions set awaited_since = null
   where id in (select id from user_sessions
                 where awaited_since < now() - $1 * interval '1 millisecond'
                 order by awaited_since limit ${ROWS_MAX} for update skip locked)
  returning tenant_key`;

/**
 * SES-22: warns, once a login, of logins that succeeded while no session was created within the
 * wait. Tenants and counts only. Returns: how many.
 */
export async function warnOfMissingSessions(
  database: Database,
  waitMs: number,
  log: Logger,
): Promise<number> {
  const { rows } = await database.query<{ tenant_key: string }>(TAKE, [waitMs]);
  const logins: Record<string, number> = {};
  for (const { tenant_key } of rows) logins[tenant_key] = (logins[tenant_key] ?? 0) + 1;
  for (const [tenantId, count] of Object.entries(logins)) {
    log.warn({ tenantId, logins: count, waitMs }, "login_without_session");
  }
  return rows.length;
}
