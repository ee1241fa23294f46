import assert from "node:assert/strict";
import { DAY_MS } from "@vigie/core/time";
import { afterAll, beforeAll, test } from "vitest";
import { askerOf, nodesOf, planOf, signedIn } from "../../bench/inventory/ask.ts";
import { casesOf, type SignedIn } from "../../bench/inventory/cases.ts";
import { fillReadModel } from "../../bench/inventory/fill.ts";
import { type TestTables, testTables } from "./test-tables.ts";

/** Enough that a scan of a whole table is never the cheapest way to a page. */
const SESSIONS = 200_000;
const BIG = [
  "user_sessions",
  "users",
  "user_devices",
  "session_activities",
  "session_anomalies",
  "session_revocations",
  "session_commands",
];
/** Yesterday at noon: in the first hours of a day its activities are so few that a scan is the right way to them. */
const NOW_MS = Date.now() - (Date.now() % DAY_MS) - DAY_MS / 2;
/** Ten times what it takes on a quiet machine. */
const FILL_TIMEOUT_MS = 300_000;

let tables: TestTables;
let people: readonly SignedIn[];
/** As tomorrow's activities: there is nothing to be read of them, in whatever way. */
let emptyTables: ReadonlySet<string>;
beforeAll(async () => {
  tables = await testTables();
  await fillReadModel(tables.owner, { sessions: SESSIONS, nowMs: NOW_MS, told: () => {} });
  people = await signedIn(tables.owner, NOW_MS);
  const { rows } = await tables.owner.query<{ name: string }>(
    `select relname as name from pg_class
      where relnamespace = current_schema()::regnamespace and relkind = 'r' and reltuples = 0`,
  );
  emptyTables = new Set(rows.map(({ name }) => name));
}, FILL_TIMEOUT_MS);
afterAll(() => tables.close());

test("no list and no search reads a big table from end to end", async () => {
  const asker = askerOf(tables.edge, NOW_MS);
  const faults: string[] = [];
  for (const one of casesOf(NOW_MS)) {
    const [who] = people;
    assert.ok(who);
    await asker.ask(one, who);
    assert.ok(asker.sent().length > 0, one.name);
    for (const sent of asker.sent())
      faults.push(...scansOf(one.name, await planOf(tables.edge, sent)));
  }
  assert.deepEqual(faults, []);
});

test.each(["own active sessions", "statistics", "devices"])(
  "sessions that may be alive are found without those that ended: %s",
  async (name) => {
    const asker = askerOf(tables.edge, NOW_MS);
    const asked = casesOf(NOW_MS).find((one) => one.name === name);
    const [who] = people;
    assert.ok(asked && who);
    await asker.ask(asked, who);
    const indexes = new Set<string | undefined>();
    for (const sent of asker.sent())
      for (const node of nodesOf(await planOf(tables.edge, sent))) indexes.add(node["Index Name"]);
    assert.ok(indexes.has("idx_user_sessions_user_active"), [...indexes].join());
  },
);

test("whether a session lives is found by whole keys, never by a part of an index that a tenant shares", async () => {
  const asker = askerOf(tables.edge, NOW_MS);
  const validated = casesOf(NOW_MS).find(({ as }) => as === "point");
  const [who] = people;
  assert.ok(validated && who);
  await asker.ask(validated, who);
  const read: string[] = [];
  for (const sent of asker.sent()) {
    for (const node of nodesOf(await planOf(tables.edge, sent))) {
      if (node["Relation Name"] !== "user_sessions") continue;
      const columns = (node["Index Cond"] ?? "").matchAll(/\((\w+) = /g);
      read.push([...columns].map(([, column]) => column).join());
    }
  }
  assert.deepEqual(read, ["tenant_id,id", "tenant_id,user_id,id"]);
});

test("a statement without an index would be found out", async () => {
  const text = "select id from user_sessions where city = $1";
  const plan = await planOf(tables.owner, { tenantId: "molam-sn", text, values: ["Thiès"] });
  assert.deepEqual(scansOf("planted", plan), ["planted: user_sessions"]);
});

function scansOf(name: string, plan: Parameters<typeof nodesOf>[0]): string[] {
  return nodesOf(plan)
    .filter((node) => node["Node Type"] === "Seq Scan")
    .map((node) => node["Relation Name"] ?? "")
    .filter((table) => BIG.some((big) => table === big || table.startsWith(`${big}_2`)))
    .filter((table) => !emptyTables.has(table))
    .map((table) => `${name}: ${table}`);
}
