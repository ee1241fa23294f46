import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";

/** The role that the service works as; migrations/001_audit.sql makes it. */
export const ROLE = "vigie_audit_sink";

/** What is only added to. */
const TABLES = [
  "audit_leaves",
  "audit_tiles",
  "audit_checkpoints",
  "audit_cosignatures",
  "audit_large_payloads",
  "audit_tenant_keys",
  "audit_conflicts",
] as const;

const RIGHTS = `
  select current_user as role,
         (select rolsuper or rolbypassrls from pg_roles where rolname = current_user) as unbound,
         pg_has_role(current_user, relowner, 'member') as owns,
         has_any_column_privilege(oid, 'update') as can_update,
         has_table_privilege(oid, 'delete') as can_delete,
         has_table_privilege(oid, 'truncate') as can_truncate,
         has_table_privilege(oid, 'trigger') as can_trigger
    from pg_class where oid = $1::regclass`;

/** Source: PostgreSQL, pg_trigger: tgtype bits; tgenabled A is ENABLE ALWAYS. */
const TRIGGERS = `
  select coalesce(bit_or(tgtype::int), 0) & 56 as refused
    from pg_trigger
   where tgrelid = $1::regclass and not tgisinternal and tgenabled = 'A'
     and tgtype & 2 = 2 and tgfoid = 'refuse_audit_change'::regproc`;
/** DELETE 8, UPDATE 16, TRUNCATE 32. */
const ALL_CHANGES = 56;

const LOGIN = `
  select rolsuper or exists (
           select from pg_class
            where oid = any($1::regclass[]) and pg_has_role(session_user, relowner, 'member')
         ) as could
    from pg_roles where rolname = session_user`;

/**
 * AUD-01: that this connection cannot change what it appends.
 * Throws: VIG_AUDIT_NOT_PROTECTED, also when `strict` and the login behind the role could; else it is warned of.
 */
export async function checkUnchangeable(
  db: Database,
  { strict, log }: { readonly strict: boolean; readonly log: Logger },
): Promise<void> {
  const found: string[] = [];
  for (const table of TABLES) found.push(...(await faultsOf(db, table)));
  const { rows } = await db.query<{ could: boolean }>(LOGIN, [TABLES]);
  if (rows[0]?.could !== false) {
    const fault = "the login of DATABASE_URL is a superuser or owns the tables";
    if (strict) found.push(fault);
    else log.warn({ fault }, "audit_login_too_mighty");
  }
  if (found.length > 0) throw new VigError("VIG_AUDIT_NOT_PROTECTED", { faults: found.join("; ") });
}

async function faultsOf(db: Queryable, table: string): Promise<string[]> {
  const { rows: rights } = await db.query<Record<string, unknown>>(RIGHTS, [table]);
  const held = rights[0] ?? {};
  const faults = Object.entries(held)
    .filter(([name, may]) => name !== "role" && may !== false)
    .map(([name]) => `${table}: ${held.role} ${name}`);
  const { rows: triggers } = await db.query<{ refused: number }>(TRIGGERS, [table]);
  if (triggers[0]?.refused !== ALL_CHANGES) faults.push(`${table}: a trigger is missing or off`);
  return faults;
}
