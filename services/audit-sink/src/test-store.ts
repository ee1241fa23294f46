import { resolve } from "node:path";
import { type Leaf, parseLeaf } from "@vigie/audit-log/leaf";
import { proveInclusion, verifyInclusion } from "@vigie/audit-log/proofs";
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from "@vigie/audit-log/tree";
import { silentLogger } from "@vigie/core/log";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import { createOpenLeaves } from "@vigie/service-kit/audit/subjects";
import {
  type Database,
  openDatabase,
  type PoolOptions,
  schemaOf,
} from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import type { NextOffset } from "@vigie/service-kit/postgres/sink-offsets";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { entryOfAudit } from "./entry.ts";
import { ROLE } from "./guard.ts";
import { readHead } from "./head.ts";
import type { AuditItem } from "./items.ts";
import { type AuditStore, type AuditStoreOptions, createAuditStore } from "./store.ts";
import { auditEvent, keys, signers, storeOptions, T0 } from "./testing.ts";

const root = resolve(import.meta.dirname, "../../..");
export const topic = "id.audit";

/** Tables whose rows nobody may change. */
const GUARDED = [
  "audit_leaves",
  "audit_tiles",
  "audit_large_payloads",
  "audit_tenant_keys",
  "audit_checkpoints",
  "audit_cosignatures",
];
const LOG_TABLES = [...GUARDED, "audit_conflicts", "audit_subjects"].join(", ");
const FORGET = `
  truncate ${LOG_TABLES}, audit_erased, audit_emitters, sink_offsets, erasure_parts;
  update audit_head set size = 0, frontier = '{}', destroyed = 0, erased_until_ms = 0,
                        read_since_ms = 0, read_at_ms = 0`;

export interface TestLog {
  servers: TestStack;
  /** As the migrations ran: superuser and owner. */
  owner: Database;
  /** As the service works. */
  service: Database;
  open(over?: Partial<PoolOptions>): Database;
}

/** Tables of a log, empty before each test. */
export function testLog(): TestLog {
  const log = {} as TestLog;
  beforeAll(async () => {
    log.servers = await stack();
    const { postgres: url, prefix } = log.servers;
    const schema = schemaOf(prefix);
    const wanted = ["platform", "audit-sink", "session-sink"];
    const folders = migrationFolders(root).filter(({ owner }) => wanted.includes(owner));
    await migrate({ url, schema, folders, log: silentLogger });
    log.open = (over = {}) =>
      openDatabase({
        url,
        applicationName: "test",
        schema,
        statementTimeoutMs: 20_000,
        poolMax: 4,
        log: silentLogger,
        ...over,
      });
    log.owner = log.open();
    log.service = log.open({ role: ROLE });
  });
  afterAll(async () => {
    await log.owner.query(`drop schema "${schemaOf(log.servers.prefix)}" cascade`);
    await Promise.all([log.owner.close(), log.service.close()]);
    await log.servers.close();
  });
  beforeEach(() => asOwner(log, FORGET));
  return log;
}

type OwnedLog = Pick<TestLog, "owner">;

/** Only whoever may switch the triggers off gets past them. */
export async function asOwner({ owner }: TestLog, sql: string): Promise<void> {
  const tables = [...GUARDED, "audit_conflicts"];
  await owner.transaction(async (tx) => {
    for (const table of tables) await tx.query(`alter table ${table} disable trigger user`);
    for (const text of sql.split(";")) await tx.query(text);
    for (const table of tables) {
      await tx.query(`alter table ${table} enable always trigger no_change`);
      await tx.query(`alter table ${table} enable always trigger no_truncate`);
    }
  });
}

type Over = Parameters<typeof auditEvent>[1];

/** The item of an audit event at an offset of partition 0. */
export function itemOf(event: ReturnType<typeof auditEvent>, offset: number): AuditItem {
  const origin = { topic, partition: 0, offset, timestampMs: T0 + offset };
  return { entry: entryOfAudit(event, origin), value: Buffer.from(`value ${offset}`) };
}

/** Entries e-<from> … at offsets from.. of partition 0, one series. */
export const itemsOf = (from: number, count: number, over: Over = {}): AuditItem[] =>
  Array.from({ length: count }, (_, i) => itemOf(auditEvent(from + i, over), from + i));

export const upTo = (offset: number, partition = 0): NextOffset[] => [
  { topic, partition, from: 0, offset },
];

export const storeOver = (db: Database, over: Partial<AuditStoreOptions> = {}): AuditStore =>
  createAuditStore(db, { ...storeOptions, ...over });

interface LeafRow {
  readonly index: number;
  readonly event_id: string;
  readonly leaf: Buffer;
  readonly leaf_hash: Buffer;
  readonly signature: Buffer;
  readonly key_id: string;
}

const ROWS =
  "select index, event_id, leaf, leaf_hash, signature, key_id from audit_leaves order by 1";

export async function leavesOf({ owner }: OwnedLog): Promise<readonly Leaf[]> {
  const { rows } = await owner.query<LeafRow>(ROWS);
  return rows.map(({ leaf }) => parseLeaf(leaf));
}

export const idsInOrder = async (log: OwnedLog): Promise<string[]> =>
  (await leavesOf(log)).map(({ id }) => id);

/** All that is known of persons in a leaf, together; and the payload that lay aside. */
export async function openedOf({ owner }: OwnedLog, leaf: Leaf) {
  const [opened] = await createOpenLeaves(keys)(owner, [leaf]);
  const boxes = Object.values(opened?.boxes ?? {}).map((text) => JSON.parse(text).fields);
  return { known: Object.assign({}, ...boxes) as Record<string, unknown>, aside: opened?.aside };
}

/** Reckons all anew: places, hashes, signatures, tree, tiles. Returns: the root, in hex. */
export async function expectSound({ owner }: OwnedLog): Promise<string> {
  const { rows } = await owner.query<LeafRow>(ROWS);
  expect(rows.map(({ index }) => index)).toEqual(rows.map((_, i) => i));
  for (const { leaf, leaf_hash, signature, key_id } of rows) {
    expect(leaf_hash).toEqual(leafHash(leaf));
    expect(signature).toEqual(signers.byId.get(key_id)?.sign(leaf_hash) ?? signature);
  }
  const hashes = rows.map((row) => row.leaf_hash);
  const { frontier } = appendLeaves(EMPTY_FRONTIER, hashes);
  expect((await readHead(owner)).frontier).toEqual(frontier);
  const { rows: tiles } = await owner.query<{ count: number }>(
    "select count(*) as count from audit_tiles where level = 0",
  );
  expect(tiles[0]?.count).toBe(Math.floor(rows.length / 256));
  const expected = rootOf(frontier);
  for (const index of new Set([0, Math.floor(rows.length / 2), rows.length - 1])) {
    const [at, size] = [BigInt(index), frontier.size];
    const proof = await proveInclusion(at, size, readNodes(owner));
    const leaf = hashes[index] as Buffer;
    expect(verifyInclusion({ index: at, size, leafHash: leaf, proof, root: expected })).toBe(true);
  }
  return expected.toString("hex");
}
