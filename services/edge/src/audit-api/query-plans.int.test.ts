import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { askerOf, planOf } from "../../bench/audit/ask.ts";
import { casesOf } from "../../bench/audit/cases.ts";
import { FILLED, fillAudit } from "../../bench/audit/fill.ts";
import { nodesOf } from "../../bench/inventory/ask.ts";
import { type TestTables, testTables } from "../inventory/test-tables.ts";

/** Enough that a scan of a whole table is never the cheapest way to a page. */
const LEAVES = 50_000;
const NOW_MS = Date.now();
/** Ten times what it takes on a quiet machine. */
const FILL_TIMEOUT_MS = 300_000;

let tables: TestTables;
beforeAll(async () => {
  tables = await testTables();
  await fillAudit(tables.owner, { leaves: LEAVES, nowMs: NOW_MS, told: () => {} });
}, FILL_TIMEOUT_MS);
afterAll(() => tables.close());

/** One row a tenant; one for 256 leaves, 200 here: of a million leaves it is read by its index, too. */
const SMALL = ["audit_tenant_keys", "audit_tiles"];

const scansOf = (name: string, plan: Parameters<typeof nodesOf>[0]): string[] =>
  nodesOf(plan)
    .filter((node) => node["Node Type"] === "Seq Scan")
    .map((node) => node["Relation Name"] ?? "")
    .filter((table) => FILLED.includes(table) && !SMALL.includes(table))
    .map((table) => `${name}: ${table}`);

test("no search, entry, proof or export of the audit reads a table from end to end", async () => {
  const asker = askerOf(tables.edge, NOW_MS);
  const faults: string[] = [];
  for (const one of casesOf({ leaves: LEAVES, nowMs: NOW_MS })) {
    await asker.ask(one);
    assert.ok(asker.sent().length > 0, one.name);
    for (const sent of asker.sent()) {
      faults.push(...scansOf(one.name, await planOf(tables.edge, sent)));
    }
  }
  assert.deepEqual(faults, []);
});

test("a statement without an index would be found out", async () => {
  const text = "select index from audit_log where emitter_seq = $1";
  const plan = await planOf(tables.owner, { tenant: "molam-sn", text, values: [1] });
  assert.deepEqual(scansOf("planted", plan), ["planted: audit_log"]);
});
