import assert from "node:assert/strict";
import { resolve } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { tenantUuid } from "@vigie/service-kit/ids";
import {
  type Database,
  openDatabase,
  type PoolOptions,
} from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, test } from "vitest";
import { EDGE_ROLE } from "../database.ts";
import { policyStoreSuite } from "./policy-store.suite.ts";
import { postgresPolicies } from "./policy-store.ts";

const root = resolve(import.meta.dirname, "../../../..");
const folders = migrationFolders(root).filter(({ owner }) => ["platform", "edge"].includes(owner));

let servers: TestStack;
let owner: Database;
let edge: Database;

beforeAll(async () => {
  servers = await stack();
  const { postgres: url, schema } = servers;
  await migrate({ url, schema, folders, log: silentLogger });
  const options: PoolOptions = {
    url,
    schema,
    applicationName: "policies-test",
    statementTimeoutMs: 10_000,
    poolMax: 8,
    log: silentLogger,
  };
  owner = openDatabase(options);
  edge = openDatabase({ ...options, role: EDGE_ROLE });
});
afterAll(async () => {
  await owner.query(`drop schema "${servers.schema}" cascade`);
  await Promise.all([owner.close(), edge.close()]);
  await servers.close();
});

policyStoreSuite("PostgreSQL", () => ({
  store: postgresPolicies(edge),
  async published(tenantId) {
    const text =
      "select value from outbox where topic = 'id.session.policy' and key = $1 order by id";
    const { rows } = await edge.query<{ value: Buffer }>(text, [tenantId]);
    return rows.map(({ value }) => String(value));
  },
}));

test("TEN-02: the edge's own role cannot reach another tenant's row, nor drop any", async () => {
  await postgresPolicies(edge).change(
    {
      tenantId: "seven",
      seenVersion: 0,
      next: { version: 1, document: {}, updatedAtMs: 0, updatedBy: "a" },
      record: Buffer.alloc(0),
    },
    async () => {},
  );
  const asEight = <T>(text: string, values: readonly unknown[] = []) =>
    edge.inTenant("eight", (tx) => tx.query<T & object>(text, values));
  const uuid = tenantUuid("seven");
  const seen = await asEight("select 1 from session_policies where tenant_id = $1", [uuid]);
  assert.equal(seen.count, 0);
  const changed = await asEight("update session_policies set version = 9 where tenant_id = $1", [
    uuid,
  ]);
  assert.equal(changed.count, 0);
  const asDefault = asEight("update session_policies set version = 9 where tenant_key = '*'");
  assert.equal((await asDefault).count, 0);
  const forged = `insert into session_policies values ($1, 'nine', 1, '{}', now(), 'x')`;
  await assert.rejects(asEight(forged, [tenantUuid("nine")]), /row-level security/);
  await assert.rejects(asEight("delete from session_policies"), /permission denied/);
});
