import { assert } from "@vigie/core/assert";
import { nameUuid, tenantUuid } from "@vigie/service-kit/ids";
import type { Database } from "@vigie/service-kit/postgres/database";

export const ORIGIN = "audit.example.org";
/** Half of all leaves are of the first. */
export const TENANTS = ["molam-sn", "molam-ci", "molam-gh", "molam-ng", "molam-fr"] as const;
const ADMINS = 200;
const ACTIONS = ["session.revoked", "sessions.read", "access.denied", "policy.updated"];
/** Leaves of one statement. */
const CHUNK = 100_000;
/** Leaves between two checkpoints: a busy log signs four times a second. */
const SIGNED_EVERY = 50;

export interface FillOptions {
  readonly leaves: number;
  /** When the newest was written; one comes every second. */
  readonly nowMs: number;
  told(line: string): void;
}

const refOf = (tenant: string, person: string): string =>
  nameUuid(tenant, "subject", `bench|${person}`);
export const adminRef = (n: number): string => refOf(TENANTS[0], `admin-${n}`);

/**
 * Fills the tables of the audit with a made-up log: leaves as the sink writes them, but for boxes, signatures and nodes
 * above the leaves, which are of the right size only. A tenth as many people as leaves; 200 administrators do most.
 * Needs whoever owns the tables.
 */
export async function fillAudit(owner: Database, options: FillOptions): Promise<void> {
  const { leaves, nowMs, told } = options;
  assert(leaves >= 1_000, "a log that is worth measuring");
  await owner.query("set synchronous_commit = off");
  const admins = Array.from({ length: ADMINS }, (_, n) => adminRef(n));
  const tenantIds = TENANTS.map((tenant) => tenantUuid(tenant));
  const rebuild = await dropIndexes(owner);
  for (let from = 0; from < leaves; from += CHUNK) {
    const until = Math.min(leaves, from + CHUNK);
    await owner.query(LEAVES, [from, until, TENANTS, tenantIds, admins, ACTIONS, leaves, nowMs]);
    told(`${until} leaves`);
  }
  await owner.query(PROJECTED, [leaves]);
  await owner.query(TILES);
  await owner.query(UPPER_TILES);
  await owner.query(SUBJECTS, [tenantIds[0], Math.ceil(leaves / 10)]);
  await owner.query(CHECKPOINTS, [ORIGIN, SIGNED_EVERY, leaves]);
  for (const text of rebuild) await owner.query(text);
  told("indexes built");
  for (const table of FILLED) await owner.query(`vacuum analyze ${table}`);
  told("vacuumed");
}

export const FILLED = [
  "audit_leaves",
  "audit_log",
  "audit_tiles",
  "audit_subjects",
  "audit_tenant_keys",
  "audit_checkpoints",
];

/** Built once at the end. Returns: how. */
async function dropIndexes(owner: Database): Promise<readonly string[]> {
  const { rows } = await owner.query<{ name: string; text: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as text
       from pg_index where indrelid = 'audit_log'::regclass and not indisunique`,
  );
  for (const { name } of rows) await owner.query(`drop index ${name}`);
  return rows.map(({ text }) => text);
}

/** Skewed by squaring: who is low in a list comes often. Members in the order of canonical JSON. */
const LEAVES = `
  with drawn as materialized (
    select n as index,
           case when n % 2 = 0 then 1 else 2 + (n / 2) % (cardinality($3::text[]) - 1) end as tenant,
           ($5::uuid[])[1 + ((hashint8(n) & 1023) * (hashint8(n) & 1023) * cardinality($5::uuid[]))
                            / 1046530] as admin,
           md5('person|' || (hashint8(n + 7) & 2147483647) % greatest(1, $7::bigint / 10))::uuid
             as person,
           ($6::text[])[case when n % 997 = 0 then 4 else 1 + (hashint8(n + 3) & 7) % 3 end]
             as action,
           n % 200 = 0 as acted_as,
           $8::bigint - ($7::bigint - n) * 1000 as at
      from generate_series($1::bigint, $2::bigint - 1) as n
  ), said as (
    select index, tenant,
           format('{"action":"%s","actor":{"ref":"%s","type":"ADMIN"},"at":%s,"boxes":[{"commitment":"","ref":"%s","sealed":"%s"}],"digest":"d","emitter":"edge.a.1","id":"e-%s","impersonated":%s,"impersonator":null,"is_impersonation":%s,"recorded_at":%s,"seq":%s,"source":{"offset":%s,"partition":0,"topic":"id.audit"},"subject":"%s","tenant":"%s","v":1}',
             action, admin, at, person, repeat('s', 100), index,
             case when acted_as then '"' || person || '"' else 'null' end,
             acted_as::text, at, index + 1, index, person, ($3::text[])[tenant])::bytea as leaf
      from drawn
  ), projected as (
    insert into audit_log
      (index, event_id, tenant_id, tenant_key, occurred_at, recorded_at, source_topic,
       source_partition, source_offset, emitter, emitter_seq, action, actor_type, actor_ref,
       subject_ref, impersonated_ref, is_impersonation, user_agent)
    select index, 'e-' || index, ($4::uuid[])[tenant], ($3::text[])[tenant],
           to_timestamp(at / 1000.0) at time zone 'utc',
           to_timestamp(at / 1000.0) at time zone 'utc', 'id.audit', 0, index, 'edge.a.1',
           index + 1, action, 'ADMIN', admin, person, case when acted_as then person end, acted_as,
           'unknown'
      from drawn)
  insert into audit_leaves
    (index, tenant_id, tenant_key, event_id, leaf, leaf_hash, signature, key_id)
  select index, ($4::uuid[])[tenant], ($3::text[])[tenant], 'e-' || index, leaf,
         sha256('\\x00'::bytea || leaf), sha256(leaf), 'k1'
    from said`;

const PROJECTED = "update audit_projection set next_index = $1";

const TILES = `
  insert into audit_tiles (level, index, hashes, root)
  select 0, index / 256, string_agg(leaf_hash, ''::bytea order by index), sha256(string_agg(leaf_hash, ''::bytea))
    from audit_leaves group by index / 256 having count(*) = 256`;
const UPPER_TILES = `
  insert into audit_tiles (level, index, hashes, root)
  select 1, index / 256, string_agg(root, ''::bytea order by index), sha256(string_agg(root, ''::bytea))
    from audit_tiles group by index / 256 having count(*) = 256`;

/** A user's row id is derived from what their ref is, so that both are known. */
const SUBJECTS = `
  with held as (
    insert into audit_tenant_keys (tenant_id, tenant_key, key_id, envelope)
    values ($1, 'molam-sn', 'k1', ''::bytea))
  insert into audit_subjects (tenant_id, user_id, ref, key_id, wrapped_key)
  select $1, md5('user|' || n)::uuid, md5('person|' || n)::uuid, 'k1', ''::bytea
    from generate_series(0, $2::bigint - 1) as n`;

const CHECKPOINTS = `
  insert into audit_checkpoints (origin, size, root, note, key_name, key_id, signed_at_ms)
  select $1, size, sha256(size::text::bytea), repeat('n', 200), $1, '00000000', size
    from generate_series($2::bigint, $3::bigint, $2::bigint) as size
  union all
  select 'another', size, sha256(size::text::bytea), repeat('n', 200), 'another', '00000000', size
    from generate_series(1, 1000) as size`;
