import assert from "node:assert/strict";
import { resolve } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS } from "@vigie/core/time";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, test } from "vitest";
import { createUsageCounter } from "./usage.ts";

const NOW_MS = Date.parse("2026-01-05T10:00:00Z");
const TENANT = "molam-sn";

let servers: TestStack;
let owner: Database;
let sink: Database;

beforeAll(async () => {
  servers = await stack();
  const { postgres: url, schema } = servers;
  const root = resolve(import.meta.dirname, "../../..");
  const folders = migrationFolders(root).filter(({ owner: of }) =>
    ["platform", "session-sink"].includes(of),
  );
  await migrate({ url, schema, folders, log: silentLogger });
  const open = (more: { readonly role?: string }): Database =>
    openDatabase({
      url,
      schema,
      applicationName: "usage-test",
      statementTimeoutMs: 10_000,
      poolMax: 1,
      log: silentLogger,
      ...more,
    });
  owner = open({});
  sink = open({ role: "vigie_session_sink" });
});
afterAll(async () => {
  await owner.query(`drop schema "${servers.schema}" cascade`);
  await Promise.all([owner.close(), sink.close()]);
  await servers.close();
});

async function add(session: string, ageMs: number, type: string, status = "ACTIVE") {
  const at = new Date(NOW_MS - ageMs).toISOString();
  const ids = [uuidOf(TENANT, "session", session), uuidOf(TENANT, "user", "u-1")];
  await owner.query(
    `insert into user_sessions (id, user_id, tenant_id, session_type, created_at, last_activity,
       expires_at, tenant_key, user_key, session_key, status)
     values ($1, $2, $3, $4, $5::timestamp, $5::timestamp, $5::timestamp, $6, 'u-1', $7, $8)`,
    [...ids, tenantUuid(TENANT), type, at, TENANT, session, status],
  );
}

async function counted(): Promise<string[]> {
  const { rows } = await owner.query<{ day: string; session_type: string; sessions: number }>(
    `select to_char(day, 'YYYY-MM-DD') as day, session_type, sessions from session_usage
      order by 1, 2`,
  );
  return rows.map((row) => `${row.day} ${row.session_type} ${row.sessions}`);
}

test("OBS-07: sessions are counted by day and channel, and stay counted after they were deleted", async () => {
  await owner.query("insert into tenants (id, slug, name) values ($1, $2, $2)", [
    tenantUuid(TENANT),
    TENANT,
  ]);
  await owner.query("insert into users (id, tenant_id, external_id) values ($1, $2, 'u-1')", [
    uuidOf(TENANT, "user", "u-1"),
    tenantUuid(TENANT),
  ]);
  await add("s-1", 0, "mobile");
  await add("s-2", 1_000, "mobile", "REVOKED");
  await add("s-3", 2_000, "web");
  await add("s-4", 3_000, "web", "PENDING");
  await add("s-5", 30 * DAY_MS, "ussd");
  await add("s-6", 31 * DAY_MS, "ussd");
  const count = createUsageCounter({ database: sink, daysLate: 30 });
  await count(NOW_MS);
  assert.deepEqual(await counted(), [
    "2025-12-06 ussd 1",
    "2026-01-05 mobile 2",
    "2026-01-05 web 1",
  ]);

  // Then today goes on, and what is gone still counts.
  await owner.query("delete from user_sessions where session_key in ('s-1', 's-2')");
  await add("s-7", 500, "web");
  await add("s-8", DAY_MS, "api");
  await add("s-9", 30 * DAY_MS, "ussd");
  await count(NOW_MS);
  assert.deepEqual(await counted(), [
    "2025-12-06 ussd 1",
    "2026-01-04 api 1",
    "2026-01-05 mobile 2",
    "2026-01-05 web 2",
  ]);
});
