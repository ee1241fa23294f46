import { resolve } from "node:path";
import type { Leaf } from "@vigie/audit-log/leaf";
import { silentLogger } from "@vigie/core/log";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll } from "vitest";
import { databasePlace } from "../checkpoint/database-place.ts";
import { type LogKeys, type SignedCheckpoint, signCheckpoint } from "../checkpoint/keys.ts";
import type { StoredTile } from "./log-source.ts";
import { rowOf } from "./memory-log.ts";
import { TreeWalk } from "./tree-walk.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");
const OWNERS = ["platform", "audit-sink", "edge"];

/** A log in PostgreSQL that a test writes leaf by leaf, and may spoil: the login is that of a superuser. */
export interface StoredLog {
  readonly servers: TestStack;
  readonly db: Database;
  /** Leaves with their tiles and head, as of one append. */
  append(leaves: readonly Leaf[]): Promise<void>;
  /** A checkpoint of the tree as it is, kept in the database. */
  sign(keys: LogKeys): Promise<SignedCheckpoint>;
  /** All that were signed. */
  readonly signed: readonly SignedCheckpoint[];
  /** A pool of its own, as a role. */
  open(role: string): Database;
}

export async function openStoredLog(): Promise<StoredLog> {
  const servers = await stack();
  const { postgres: url, schema } = servers;
  const folders = migrationFolders(ROOT).filter(({ owner }) => OWNERS.includes(owner));
  await migrate({ url, schema, folders, log: silentLogger });
  const opened: Database[] = [];
  const open = (role?: string): Database => {
    const database = openDatabase({
      url,
      schema,
      applicationName: "test",
      statementTimeoutMs: 20_000,
      poolMax: 2,
      log: silentLogger,
      ...(role !== undefined && { role }),
    });
    opened.push(database);
    return database;
  };
  const db = open();
  afterAll(async () => {
    await db.query(`drop schema "${schema}" cascade`);
    await Promise.all(opened.map((database) => database.close()));
    await servers.close();
  });
  const walk = new TreeWalk();
  const signed: SignedCheckpoint[] = [];
  return {
    servers,
    db,
    open,
    signed,
    append: (leaves) => append(db, walk, leaves),
    async sign(keys) {
      const checkpoint = signCheckpoint(keys, { size: BigInt(walk.size), root: walk.root() });
      await databasePlace(db, keys.origin, Date.now).keep(checkpoint);
      signed.push(checkpoint);
      return checkpoint;
    },
  };
}

const INSERT = `
  insert into audit_leaves
  select * from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bytea[],
                       $7::bytea[], $8::text[])`;
const INSERT_TILES = `
  insert into audit_tiles select * from unnest($1::int[], $2::bigint[], $3::bytea[], $4::bytea[])`;

async function append(db: Database, walk: TreeWalk, leaves: readonly Leaf[]): Promise<void> {
  const rows = leaves.map((leaf, i) => rowOf(walk.size + i, leaf));
  const tiles: StoredTile[] = rows.flatMap(({ leaf_hash }) => [...walk.append(leaf_hash)]);
  await db.transaction(async (tx) => {
    await tx.query(INSERT, [
      rows.map(({ index }) => index),
      rows.map(({ tenant_id }) => tenant_id),
      rows.map(({ tenant_key }) => tenant_key),
      rows.map(({ event_id }) => event_id),
      rows.map(({ leaf }) => leaf),
      rows.map(({ leaf_hash }) => leaf_hash),
      rows.map(({ signature }) => signature),
      rows.map(({ key_id }) => key_id),
    ]);
    await tx.query(INSERT_TILES, [
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ hashes }) => hashes),
      tiles.map(({ root }) => root),
    ]);
    await tx.query("update audit_head set size = $1, frontier = $2::bytea[]", [
      walk.size,
      walk.frontier,
    ]);
  });
}
