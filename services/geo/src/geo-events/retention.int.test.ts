import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { DAY_MS } from "@vigie/core/time";
import { createMetrics } from "@vigie/service-kit/metrics";
import { afterAll, beforeAll, test } from "vitest";
import type { Person } from "#person";
import { type GeoTables, geoTables } from "#test-tables";
import { noPlace } from "./geo-events.ts";
import { recordGeoEvent } from "./record.ts";
import { eventRetentionJob } from "./retention.ts";

let tables: GeoTables;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());

const put = (person: Person, daysAgo: number) =>
  tables.geo.inTenant(person.tenantId, (tx) =>
    recordGeoEvent(tx, person, {
      ...noPlace,
      id: randomUUID(),
      type: "location_captured",
      occurredAtMs: Date.now() - daysAgo * DAY_MS,
      details: { days: daysAgo },
    }),
  );
const ages = async () => {
  const rows = await tables.rows<{ days: number }>(
    "select (details ->> 'days')::float8 as days from molam_geo_events order by 1",
  );
  return rows.map(({ days }) => days);
};

test("PRV-13: what is older than it is kept goes, of every tenant, however much it is", async () => {
  for (const tenantId of ["molam-sn", "molam-ci"]) {
    for (const days of [0, 29.9, 30.1, 31, 400]) await put({ tenantId, userId: "awa" }, days);
  }
  const metrics = createMetrics("geo", { processMetrics: false });
  const parts = { database: tables.geo, metrics, rowsMax: 2 };
  await eventRetentionJob({ ...parts, keptDays: 30 }).run();
  assert.deepEqual(await ages(), [0, 0, 29.9, 29.9]);
  const counted = await metrics.registry.getSingleMetricAsString("geo_events_deleted_total");
  assert.match(counted, /geo_events_deleted_total 6\b/);
  await assert.rejects(eventRetentionJob({ ...parts, keptDays: 0 }).run(), /a day at least/);
  assert.equal((await ages()).length, 4);
});

test("nobody but geo may delete for age, and geo deletes no other tenant's rows by itself", async () => {
  const reader = tables.as("vigie_reader");
  const asked = reader.query("select delete_old_geo_events('1 day', 10)");
  await assert.rejects(asked, /permission denied/);
  const before = (await ages()).length;
  const { count } = await tables.geo.inTenant("molam-gh", (tx) =>
    tx.query("delete from molam_geo_events"),
  );
  assert.deepEqual([count, (await ages()).length], [0, before]);
});
