import assert from "node:assert/strict";
import { partitionOf } from "@vigie/core/keys";
import { MINUTE_MS } from "@vigie/core/time";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SubjectErasure } from "@vigie/schemas/types";
import { nameUuid, tenantUuid } from "@vigie/service-kit/ids";
import { createRecordSink } from "@vigie/service-kit/record-sink";
import type { SinkRecord, UnusableRecord } from "@vigie/stream/kafka/sink";
import type { Tally } from "@vigie/stream/observer";
import { nextOf } from "@vigie/testkit/sink-records";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { keyOf, type Person } from "#person";
import { type GeoTables, geoTables } from "../test-tables.ts";
import { createEraser } from "./eraser.ts";
import { erasureTaker, isErased } from "./follow-erasures.ts";
import { clear, live, rowsOf, tablesOfPersons } from "./test-persons.ts";

const AWA: Person = { tenantId: "molam-sn", userId: "awa.diop-7131" };
const MODOU: Person = { ...AWA, userId: "modou.fall-5520" };
const IVORIAN: Person = { ...AWA, tenantId: "molam-ci" };
/** When it is asked for. */
const T = Date.now() - 30 * MINUTE_MS;
const PARTITIONS = 6;

const codecs = memoryCodecs();
const encoder = codecs.encoder<SubjectErasure>("id.subject.erasure");

let tables: GeoTables;
let dead: UnusableRecord[];
let forgotten: Person[];
let tallies: Tally[];
let offset = 0;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  dead = [];
  forgotten = [];
  tallies = [];
  await clear(tables);
});

const eraser = createEraser({ forget: async (person) => void forgotten.push(person) });

const createSink = (takers = [erasureTaker(codecs, eraser)]) =>
  createRecordSink({
    groupId: "vigie.geo",
    database: tables.geo,
    takers,
    told: (tally) => void tallies.push(tally),
  })({
    deadLetter: async (records) => void dead.push(...records),
    partitionCount: () => PARTITIONS,
  });

function request(person: Person, over: Partial<SinkRecord> = {}): SinkRecord {
  const key = keyOf(person);
  const value = encoder.encode({
    erasure_id: `x-${person.userId}`,
    tenant_id: person.tenantId,
    user_id: person.userId,
    requested_at: T,
    actor: { type: "USER", id: person.userId, impersonator_id: null },
  });
  const keyBytes = Buffer.from(key);
  const partition = partitionOf(keyBytes, PARTITIONS);
  const place = { topic: "id.subject.erasure", partition, offset: offset++, headers: [] };
  return { ...place, timestampMs: T + 5, key, keyBytes, value, ...over };
}

const write = (records: readonly SinkRecord[], sink = createSink()) =>
  sink.write(records, nextOf(records));
/** Of id.geo.prefs, in order. */
const waiting = async (person: Person) =>
  (
    await tables.rows<{ value: Buffer | null }>(
      "select value from outbox where key = $1 order by id",
      [keyOf(person)],
    )
  ).map(({ value }) => value);
const parts = () =>
  tables.rows<object>("select erasure_id, part from erasure_parts order by erasure_id");

test("PRV-14: an erasure takes everything of the person out of every table, and geo says that it has", async () => {
  for (const person of [AWA, MODOU, IVORIAN]) await live(tables, person, T - MINUTE_MS);
  await write([request(AWA)]);
  assert.deepEqual(await rowsOf(tables, AWA), {});
  for (const other of [MODOU, IVORIAN]) {
    assert.equal(Object.keys(await rowsOf(tables, other)).length, tablesOfPersons.length);
  }
  assert.deepEqual(await parts(), [{ erasure_id: `x-${AWA.userId}`, part: "geo" }]);
  assert.deepEqual(forgotten, [AWA]);
  assert.deepEqual(await waiting(AWA), [null]);
});

test("PRV-14: whoever begins anew afterwards keeps it, also when the request is read again", async () => {
  const asked = request(AWA);
  await live(tables, AWA, T - MINUTE_MS);
  await write([asked]);
  await live(tables, AWA, T + 10 * MINUTE_MS);
  const { length } = tablesOfPersons;
  const before = await rowsOf(tables, AWA);
  assert.equal(Object.keys(before).length, length);
  // A code for a new PIN lives for minutes and says nothing of when it was made: it goes.
  const { ussd_reset_codes: _code, ...kept } = before;
  await tables.owner.query("truncate sink_offsets");
  await write([asked]);
  assert.deepEqual(await rowsOf(tables, AWA), kept);
  assert.equal((await parts()).length, 1);
  // Nor does a tombstone come behind what they have chosen since.
  assert.deepEqual(await waiting(AWA), [null, Buffer.from(AWA.userId)]);
});

test("each request is carried out once by whoever has the partition, and several in one write", async () => {
  const both = [request(AWA), request(MODOU)];
  const sink = createSink();
  await write(both, sink);
  assert.equal(forgotten.length, 2);
  await write(both, createSink());
  assert.equal(forgotten.length, 2, "another member finds them done");
  await tables.owner.query("truncate sink_offsets");
  const rewound = await write([request(AWA)], sink);
  assert.ok(rewound, "a database that was restored is told of them again");
  assert.equal(tallies.at(-1)?.consumed, 0, "until when nothing counts");
});

test("what nobody can use is a dead letter, and holds nobody up", async () => {
  await live(tables, AWA, T - MINUTE_MS);
  const foreign = request(MODOU);
  const records = [
    request(AWA, { value: null }),
    request(AWA, { value: Buffer.from("garbage") }),
    // Somebody else's key.
    { ...foreign, key: keyOf(AWA), keyBytes: Buffer.from(keyOf(AWA)), partition: 0 },
    { ...foreign, value: request(AWA).value },
  ];
  const placed = records.map((record) => ({
    ...record,
    partition: partitionOf(record.keyBytes ?? "", PARTITIONS),
  }));
  await write([...placed, request(AWA, { partition: 5 - request(AWA).partition })]);
  assert.deepEqual(
    dead.map(({ code }) => code),
    [
      "VIG_RECORD_NULL",
      "VIG_RECORD_NOT_AVRO",
      "VIG_RECORD_KEY_MISMATCH",
      "VIG_RECORD_KEY_MISMATCH",
    ],
  );
  assert.equal(Object.keys(await rowsOf(tables, AWA)).length, tablesOfPersons.length);
  assert.deepEqual(forgotten, [], "nor is what lies in a wrong partition taken");
  assert.deepEqual(tallies, [
    {
      consumed: 5,
      ok: 0,
      redirected: 0,
      dropped: { misrouted: 1 },
      dlq: { VIG_RECORD_NULL: 1, VIG_RECORD_NOT_AVRO: 1, VIG_RECORD_KEY_MISMATCH: 2 },
    },
  ]);
});

test("what PostgreSQL refuses is a dead letter, and what comes with it is done", async () => {
  const [taker] = [erasureTaker(codecs, eraser)];
  const picky = {
    ...taker,
    async take(...given: Parameters<typeof taker.take>) {
      const [tx, , { key }] = given;
      if (key === keyOf(MODOU)) await tx.query("select 'x'::uuid");
      return taker.take(...given);
    },
  };
  await live(tables, AWA, T - MINUTE_MS);
  await write([request(MODOU), request(AWA)], createSink([picky]));
  assert.deepEqual(
    dead.map(({ code, details }) => ({ code, details })),
    [{ code: "VIG_ROW_REFUSED", details: { why: "SQLSTATE 22P02" } }],
  );
  assert.deepEqual(await rowsOf(tables, AWA), {});
});

test("with Redis away nothing is done, and it comes again", async () => {
  await live(tables, AWA, T - MINUTE_MS);
  const away = createEraser({ forget: () => Promise.reject(new Error("away")) });
  const asked = request(AWA);
  await assert.rejects(write([asked], createSink([erasureTaker(codecs, away)])), /away/);
  assert.equal(Object.keys(await rowsOf(tables, AWA)).length, tablesOfPersons.length);
  assert.deepEqual(await parts(), []);
  assert.deepEqual(tallies, [], "nor told as done");
  await write([asked]);
  assert.deepEqual(await rowsOf(tables, AWA), {});
});

test("PRV-14: what happened before the request is known as erased, what comes after is not", async () => {
  await tables.owner.query(
    "insert into erasures (tenant_id, erasure_id, subject_id, requested_at) values ($1, 'x', $2, $3)",
    [
      tenantUuid(AWA.tenantId),
      nameUuid(AWA.tenantId, "subject", AWA.userId),
      new Date(T).toISOString(),
    ],
  );
  const erased = (person: Person, atMs: number) =>
    tables.geo.inTenant(person.tenantId, (tx) => isErased(tx, person, atMs));
  assert.equal(await erased(AWA, T), true);
  assert.equal(await erased(AWA, T + 1), false);
  assert.equal(await erased(MODOU, T), false);
  assert.equal(await erased(IVORIAN, T), false);
});
