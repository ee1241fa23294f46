import assert from "node:assert/strict";
import { partitionOf } from "@vigie/core/keys";
import { MINUTE_MS } from "@vigie/core/time";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { sampleAnomaly } from "@vigie/schemas/samples";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { nameUuid, tenantUuid } from "@vigie/service-kit/ids";
import { createMetrics } from "@vigie/service-kit/metrics";
import type { Database } from "@vigie/service-kit/postgres/database";
import { createRecordSink } from "@vigie/service-kit/record-sink";
import type { SinkRecord, UnusableRecord } from "@vigie/stream/kafka/sink";
import { nextOf } from "@vigie/testkit/sink-records";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { createEraser } from "#erasure/eraser";
import { noPersonCache } from "#geo-context/person-cache";
import { fraudMeter } from "#geo-events/fraud-meter";
import { type Person, rowOf } from "#person";
import { type GeoTables, geoTables } from "#test-tables";
import { travelTaker } from "./travels.ts";

const T = Date.now() - 30 * MINUTE_MS;
const AWA = { tenantId: "molam-sn", userId: sampleAnomaly(T).user_id };
const PARTITIONS = 6;
const codecs = memoryCodecs();
const encoder = codecs.encoder<SessionAnomaly>("id.session.anomaly");

let tables: GeoTables;
let dead: UnusableRecord[];
let offset = 0;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  dead = [];
  await tables.owner.query("truncate molam_geo_events, erasures, sink_offsets cascade");
});

const createSink = (frauds = fraudMeter(newMetrics()), database = tables.geo) =>
  createRecordSink({
    groupId: "vigie.geo",
    database,
    takers: [travelTaker(codecs, frauds)],
  })({
    deadLetter: async (records) => void dead.push(...records),
    partitionCount: () => PARTITIONS,
  });

function record(more: Partial<SessionAnomaly> = {}): SinkRecord {
  const anomaly = sampleAnomaly(T, { tenant_id: AWA.tenantId, ...more });
  const key = `${anomaly.tenant_id}|${anomaly.user_id}`;
  const keyBytes = Buffer.from(key);
  return {
    topic: "id.session.anomaly",
    partition: partitionOf(keyBytes, PARTITIONS),
    offset: offset++,
    headers: [],
    timestampMs: T + 5,
    key,
    keyBytes,
    value: encoder.encode(anomaly),
  };
}

const write = (records: readonly SinkRecord[], sink = createSink()) =>
  sink.write(records, nextOf(records));
const newMetrics = () => createMetrics("geo", { processMetrics: false });
const found = () =>
  tables.rows<object>(
    `select tenant_id, user_id, event_type, details ->> 'speedKmh' as speed
       from molam_geo_events order by tenant_id`,
  );

test("GEO-24: an impossible journey is on record of whose it is, once, however often it is read", async () => {
  const metrics = newMetrics();
  const frauds = fraudMeter(metrics);
  const travel = record();
  const first = [travel, record({ kind: "vpn_detected" }), record({ mode: "SHADOW" })];
  // The first write is undone, and comes again.
  const undoing: Database = {
    ...tables.geo,
    transaction: (work) =>
      tables.geo.transaction(async (tx) => {
        await work(tx);
        throw new Error("undone");
      }),
  };
  await assert.rejects(write(first, createSink(frauds, undoing)), /undone/);
  await write(first, createSink(frauds));
  await write([record()], createSink(frauds));
  await tables.owner.query("truncate sink_offsets");
  await write([travel], createSink(frauds));
  const { tenantId: tenant_id, userId: user_id } = rowOf(AWA);
  const row = { tenant_id, user_id, event_type: "impossible_travel", speed: "8400" };
  assert.deepEqual(await found(), [row]);
  assert.deepEqual(dead, []);
  const counted = await metrics.registry.getSingleMetricAsString("fraud_detections_total");
  assert.match(counted, /\{kind="impossible_travel"\} 1\b/);
});

test("one write serves several tenants, each its own", async () => {
  await write([record(), record({ tenant_id: "molam-ci" })]);
  const tenants = (await found()).map((row) => (row as { tenant_id: string }).tenant_id);
  assert.deepEqual(tenants, ["molam-sn", "molam-ci"].map(tenantUuid).sort());
});

test("what is retracted is on record no longer, nobody else's with it", async () => {
  await write([record(), record({ anomaly_id: "a-2" })]);
  await write([record({ anomaly_id: "a-3", retracts: "a-1" })]);
  assert.equal((await found()).length, 1);
});

test("PRV-14: a journey of before its person's erasure stays away, however late it comes", async () => {
  await tables.owner.query(
    "insert into erasures (tenant_id, erasure_id, subject_id, requested_at) values ($1, 'x', $2, $3)",
    [
      tenantUuid(AWA.tenantId),
      nameUuid(AWA.tenantId, "subject", AWA.userId),
      new Date(T + MINUTE_MS),
    ],
  );
  await write([record()]);
  assert.deepEqual(await found(), []);
  await write([record({ anomaly_id: "a-2", occurred_at: T + 2 * MINUTE_MS })]);
  assert.equal((await found()).length, 1);
});

test("CNF-26: a journey of before its person erased where they were comes without places", async () => {
  const eraser = createEraser(noPersonCache);
  const erase = (person: Person) =>
    tables.geo.inTenant(person.tenantId, (tx) => eraser.location(tx, person, T + MINUTE_MS));
  await erase(AWA);
  await erase({ ...AWA, tenantId: "molam-ci" });
  await erase({ ...AWA, userId: "somebody" });
  const evidence = { from_country: "SN", to_country: "FR" };
  await write([
    record({ evidence }),
    record({ anomaly_id: "a-2", occurred_at: T + 7 * MINUTE_MS, evidence }),
    record({ anomaly_id: "a-3", tenant_id: "molam-gh", evidence }),
  ]);
  const told = await tables.rows<{ details: object }>(
    `select details from molam_geo_events where event_type = 'impossible_travel'
      order by tenant_id = $1 desc, occurred_at`,
    [tenantUuid(AWA.tenantId)],
  );
  const places = { fromCountry: "SN", toCountry: "FR" };
  assert.deepEqual(told[0], { details: {} });
  for (const row of told.slice(1)) assert.partialDeepStrictEqual(row, { details: places });
  assert.equal(told.length, 3);
  assert.deepEqual(dead, []);
});

test("a record that is none, or of a time that no store takes, is a dead letter, and the next is taken", async () => {
  await write([
    { ...record(), value: Buffer.from("garbage") },
    record({ anomaly_id: "a-1", occurred_at: 8_640_000_000_000_001 }),
    record({ anomaly_id: "a-2" }),
  ]);
  assert.deepEqual(
    dead.map(({ code }) => code),
    ["VIG_RECORD_NOT_AVRO", "VIG_EVENT_FIELD_INVALID"],
  );
  assert.equal((await found()).length, 1);
});
