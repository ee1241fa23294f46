import { randomBytes } from "node:crypto";
import type { Leaf } from "@vigie/audit-log/leaf";
import { leafHash, nodeHash } from "@vigie/audit-log/tree";
import { sealTenantKey, wrapSecret } from "@vigie/service-kit/audit/subject-keys";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { Database } from "@vigie/service-kit/postgres/database";
import { NOW_MS } from "../test-edge.ts";
import type { TestLog } from "./test-log.ts";

/** The tables of the audit as the sink fills them. */

const KEY_BYTES = 32;
const TILE = 256;
const master = { keyId: "k1", activeFromMs: 0, secret: randomBytes(KEY_BYTES) };
export const keys = derivedKeys([master], () => NOW_MS);

const TABLES = [
  "audit_leaves",
  "audit_tiles",
  "audit_checkpoints",
  "audit_cosignatures",
  "audit_large_payloads",
  "audit_tenant_keys",
  "audit_subjects",
];
/** Also who owns the tables is refused, so the triggers are off meanwhile. */
const EMPTY = `
  ${TABLES.map((table) => `alter table ${table} disable trigger user;`).join("\n")}
  truncate ${TABLES.join(", ")}, audit_log;
  ${TABLES.map((table) => `alter table ${table} enable trigger user;`).join("\n")}
  update audit_projection set next_index = 0;`;

const insertInto = (db: Database, table: string, rows: readonly object[]): Promise<unknown> =>
  rows.length === 0
    ? Promise.resolve()
    : db.query(
        `insert into ${table} (${Object.keys(rows[0] ?? {}).join(", ")})
         select ${Object.keys(rows[0] ?? {}).join(", ")}
           from jsonb_populate_recordset(null::${table}, $1::jsonb)`,
        [JSON.stringify(rows)],
      );

/** As bytea is written in JSON. */
const bytea = (bytes: Buffer): string => `\\x${bytes.toString("hex")}`;

/** Replaces all that is there. `size`: of the newest signed tree; 0: none is. `projectedTo`: leaves told apart. */
export async function fillTables(
  owner: Database,
  made: TestLog,
  { size = made.leaves.length, projectedTo = made.leaves.length } = {},
): Promise<void> {
  await owner.query(EMPTY);
  const hashes = made.leaves.map(({ leaf }) => leafHash(leaf));
  await insertInto(
    owner,
    "audit_leaves",
    made.leaves.map(({ index, leaf, signature, keyId }, i) => ({
      index,
      tenant_id: tenantUuid(made.parsed[i]?.tenant ?? ""),
      tenant_key: made.parsed[i]?.tenant,
      event_id: made.parsed[i]?.id,
      leaf: bytea(leaf),
      leaf_hash: bytea(leafHash(leaf)),
      signature: bytea(signature),
      key_id: keyId,
    })),
  );
  await insertInto(owner, "audit_tiles", tilesOf(hashes));
  const projected = made.parsed.slice(0, projectedTo).map(projectedRow);
  await insertInto(owner, "audit_log", projected);
  await owner.query("update audit_projection set next_index = $1", [projectedTo]);
  await fillSubjects(owner, made);
  if (size === 0) return;
  const { origin, note, root } = made.signed(size);
  await insertInto(owner, "audit_checkpoints", [
    {
      origin,
      size,
      root: bytea(root),
      note,
      key_name: origin,
      key_id: "00000000",
      signed_at_ms: NOW_MS,
    },
  ]);
}

function tilesOf(hashes: readonly Buffer[]): object[] {
  const full = Array.from({ length: Math.floor(hashes.length / TILE) }, (_, i) =>
    hashes.slice(i * TILE, (i + 1) * TILE),
  );
  return full.map((tile, index) => ({
    level: 0,
    index,
    hashes: bytea(Buffer.concat(tile)),
    root: bytea(rootOf(tile)),
  }));
}

function rootOf(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 1) return hashes[0] as Buffer;
  const half = hashes.length / 2;
  return nodeHash(rootOf(hashes.slice(0, half)), rootOf(hashes.slice(half)));
}

const projectedRow = (leaf: Leaf, index: number) => ({
  index,
  event_id: leaf.id,
  tenant_id: tenantUuid(leaf.tenant),
  tenant_key: leaf.tenant,
  occurred_at: new Date(leaf.at).toISOString(),
  recorded_at: new Date(leaf.recorded_at).toISOString(),
  source_topic: leaf.source.topic,
  source_partition: leaf.source.partition,
  source_offset: leaf.source.offset,
  emitter: leaf.emitter,
  emitter_seq: leaf.seq,
  action: leaf.action,
  actor_type: leaf.actor.type,
  actor_id: "id" in leaf.actor ? leaf.actor.id : null,
  actor_ref: "ref" in leaf.actor ? leaf.actor.ref : null,
  impersonator_ref: leaf.impersonator,
  subject_ref: leaf.subject,
  is_impersonation: leaf.is_impersonation,
  impersonated_ref: leaf.impersonated,
  user_agent: "unknown",
});

async function fillSubjects(owner: Database, made: TestLog): Promise<void> {
  const subjects = [...made.subjects.values()];
  const tenants = [...new Set(subjects.map(({ tenant }) => tenant))];
  const tenantKeys = new Map(tenants.map((tenant) => [tenant, randomBytes(KEY_BYTES)]));
  await insertInto(
    owner,
    "audit_tenant_keys",
    [...tenantKeys].map(([tenant, key]) => ({
      tenant_id: tenantUuid(tenant),
      tenant_key: tenant,
      key_id: "k1",
      envelope: bytea(sealTenantKey(keys, tenant, key)),
    })),
  );
  await insertInto(
    owner,
    "audit_subjects",
    subjects.map(({ tenant, user, ref, secret }) => ({
      tenant_id: tenantUuid(tenant),
      user_id: uuidOf(tenant, "user", user),
      ref,
      key_id: "k1",
      wrapped_key: bytea(wrapSecret(tenantKeys.get(tenant) as Buffer, ref, secret)),
    })),
  );
}
