import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { enqueue, type OutboxRecord } from "@vigie/service-kit/postgres/outbox";
import { startOutboxPublisher } from "@vigie/service-kit/postgres/outbox-publisher";
import { eventually } from "@vigie/testkit/eventually";
import { afterAll, afterEach, beforeAll, beforeEach, test } from "vitest";
import { type GeoTables, geoTables } from "./test-tables.ts";

/** One table, two roles: what geo tells goes out by geo, all else by the edge, each in its own order. */

const preference: OutboxRecord = { topic: "id.geo.prefs", key: "acme|u-1", value: null };
const policy: OutboxRecord = { topic: "id.session.policy", key: "acme", value: Buffer.from("p") };

let tables: GeoTables;
const running: { stop(): Promise<void> }[] = [];
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());
beforeEach(() => tables.owner.query("truncate outbox"));
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});

/** Publishes with the rights of a role. Returns: the topics that it carried. */
function carriedBy(role: string): readonly string[] {
  const carried: string[] = [];
  const { postgres: url, schema } = tables.servers;
  const publisher = startOutboxPublisher({
    database: { url, schema, role, applicationName: "geo-test", statementTimeoutMs: 15_000 },
    openCarrier: () => ({
      claim: async () => {},
      carry: async (records) => void carried.push(...records.map(({ topic }) => topic)),
      close: async () => {},
    }),
    log: silentLogger,
    metrics: createMetrics("geo", { processMetrics: false }),
  });
  running.push(publisher);
  return carried;
}

test("geo carries preferences, the edge all else, side by side", async () => {
  await enqueue(tables.geo, preference);
  await enqueue(tables.as("vigie_edge"), policy);
  const byGeo = carriedBy("vigie_geo");
  const byEdge = carriedBy("vigie_edge");
  await eventually(async () => {
    assert.deepEqual(await tables.rows("select * from outbox"), []);
  });
  assert.deepEqual([byGeo, byEdge], [["id.geo.prefs"], ["id.session.policy"]]);
});

test("neither can enqueue what the other tells", async () => {
  for (const [database, record] of [
    [tables.geo, policy],
    [tables.as("vigie_edge"), preference],
  ] as const) {
    await assert.rejects(enqueue(database, record), (error: unknown) => {
      assert.match(String(error), /row-level security/);
      return true;
    });
  }
  assert.deepEqual(await tables.rows("select * from outbox"), []);
});
