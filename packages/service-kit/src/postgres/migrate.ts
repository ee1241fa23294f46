import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import pg from "pg";
import { clientConfig, type DatabaseOptions } from "./connection.ts";
import { databaseError } from "./errors.ts";

/** Up-only SQL of one owner; its name stands before the file's in the table of what was applied. */
export interface MigrationFolder {
  /** "platform" for what all share, else the service's name. */
  readonly owner: string;
  readonly path: string;
}

interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

/** NNN_name.sql */
const FILE = /^\d{3}_[a-z0-9_]+\.sql$/;
/** Any fixed number: one runner at a time in a whole cluster, since roles belong to the cluster. */
const LOCK = 7_061_203;
/** A migration may build an index. */
const MIGRATION_TIMEOUT_MS = 300_000;

export type MigrateOptions = Omit<DatabaseOptions, "statementTimeoutMs" | "applicationName"> & {
  readonly folders: readonly MigrationFolder[];
  readonly log: Logger;
};

/**
 * Applies what a schema does not have yet, folder by folder, each file in a transaction of its own.
 * Idempotent. The schema is created, and is first on the search path while a file runs.
 * Returns: the names that were applied now.
 * Throws: VIG_MIGRATION_CHANGED if an applied file has other content now; VIG_DATABASE_AWAY.
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const migrations = options.folders.flatMap(readFolder);
  const client = new pg.Client(
    clientConfig({
      ...options,
      applicationName: "vigie-migrate",
      statementTimeoutMs: MIGRATION_TIMEOUT_MS,
    }),
  );
  try {
    await client.connect();
    await client.query("select pg_advisory_lock($1)", [LOCK]);
    return await applyAll(client, options, migrations);
  } catch (error) {
    throw databaseError(error);
  } finally {
    await client.end();
  }
}

function readFolder({ owner, path }: MigrationFolder): Migration[] {
  const files = readdirSync(path)
    .filter((file) => file.endsWith(".sql"))
    .sort();
  const numbers = files.map((file) => file.slice(0, 3));
  assert(new Set(numbers).size === files.length, `migration numbers of ${owner} are unique`);
  return files.map((file) => {
    assert(FILE.test(file), `${basename(file)} is named NNN_name.sql`);
    const sql = readFileSync(join(path, file), "utf8");
    return {
      name: `${owner}/${file}`,
      sql,
      checksum: createHash("sha256").update(sql).digest("hex"),
    };
  });
}

async function applyAll(
  client: pg.Client,
  { schema, log }: MigrateOptions,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  await client.query(`create schema if not exists "${schema}"`);
  await client.query(
    `create table if not exists schema_migrations (
       name text primary key, checksum text not null, applied_at timestamptz not null default now())`,
  );
  const { rows } = await client.query<{ name: string; checksum: string }>(
    "select name, checksum from schema_migrations",
  );
  const applied = new Map(rows.map((row) => [row.name, row.checksum]));
  const fresh: string[] = [];
  for (const migration of migrations) {
    const known = applied.get(migration.name);
    if (known === migration.checksum) continue;
    if (known !== undefined) throw new VigError("VIG_MIGRATION_CHANGED", { name: migration.name });
    await apply(client, migration);
    fresh.push(migration.name);
    log.info({ migration: migration.name, schema }, "migration_applied");
  }
  return fresh;
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query("begin");
  try {
    await client.query(sql);
    await client.query("insert into schema_migrations (name, checksum) values ($1, $2)", [
      name,
      checksum,
    ]);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw new Error(`migration ${name}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/**
 * The folders of a repository: infra/postgres/migrations, then services/<name>/migrations by name.
 */
export function migrationFolders(root: string): readonly MigrationFolder[] {
  const services = readdirSync(join(root, "services"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => ({ owner: entry.name, path: join(root, "services", entry.name, "migrations") }))
    .filter(({ path }) => isFolder(path))
    .sort((one, other) => one.owner.localeCompare(other.owner));
  const platform = { owner: "platform", path: join(root, "infra", "postgres", "migrations") };
  return [platform, ...services];
}

function isFolder(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}
