import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { rowOf } from "#person";

const ROOT = join(import.meta.dirname, "../../..");
/** Folders of whose tables geo has some: the outbox is the edge's. */
const OWNERS = ["platform", "edge", "geo", "session-sink"];

/** The tables of geo in a schema of their own, with servers beside them. */
export interface GeoTables {
  readonly servers: TestStack;
  /** Sees and may do everything. */
  readonly owner: Database;
  /** With the rights of geo. */
  readonly geo: Database;
  /** With the rights of another role. */
  as(role: string): Database;
  rows<R extends object>(text: string, values?: readonly unknown[]): Promise<readonly R[]>;
  close(): Promise<void>;
}

export async function geoTables(): Promise<GeoTables> {
  const servers = await stack();
  const { postgres: url, schema } = servers;
  const folders = migrationFolders(ROOT).filter(({ owner }) => OWNERS.includes(owner));
  await migrate({ url, schema, folders, log: silentLogger });
  const opened: Database[] = [];
  const as = (role?: string): Database => {
    const database = openDatabase({
      url,
      schema,
      applicationName: "geo-test",
      statementTimeoutMs: 15_000,
      poolMax: 4,
      log: silentLogger,
      ...(role !== undefined && { role }),
    });
    opened.push(database);
    return database;
  };
  const owner = as();
  return {
    servers,
    owner,
    geo: as("vigie_geo"),
    as,
    rows: async <R extends object>(text: string, values: readonly unknown[] = []) =>
      (await owner.query<R>(text, values)).rows,
    async close() {
      await owner.query(`drop schema "${schema}" cascade`);
      await Promise.all(opened.map((database) => database.close()));
      await servers.close();
    },
  };
}

/** The row of somebody who has opted in. */
export async function optIn(
  { owner }: Pick<GeoTables, "owner">,
  person: { readonly tenantId: string; readonly userId: string },
): Promise<void> {
  const { tenantId, userId } = rowOf(person);
  await owner.query(
    `insert into molam_user_geo_prefs (tenant_id, user_id, gps_opt_in, precision_level, updated_at)
     values ($1, $2, true, 7, now())`,
    [tenantId, userId],
  );
}
