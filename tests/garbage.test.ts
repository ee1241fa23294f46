import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { partitionOf } from "@vigie/core/keys";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { test } from "vitest";
import { DAKAR, MINUTE, PARIS, PHONE } from "./support/events.ts";
import type { ForeignRecord } from "./support/foreign-producer.ts";
import { TENANT } from "./support/pipeline.ts";
import { inRedis, sessionRow, values } from "./support/read-model.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import type { ReadRecord } from "./support/topic-reader.ts";
import { until, untilTrue } from "./support/until.ts";

const { pipeline, events } = await testPipeline([
  "detector",
  "sessions",
  "session-sink",
  "session-cache",
]);

/** Who reads the inputs; each has its own word on a record. */
const READERS = ["detector", "sessions", "session-sink"] as const;
const DAY = 24 * 60 * MINUTE;
const KEY = `${TENANT}|u-bad`;

interface Garbage {
  readonly name: string;
  readonly record: ForeignRecord;
  readonly code: string;
}

/** Of every kind in the design's table. `good` is a login that would be taken. */
async function garbage(): Promise<readonly Garbage[]> {
  const schemaId = await pipeline.producer.schemaId("id.login");
  const user = { userId: "u-bad", ...PHONE };
  const good = events.login(user).value as Buffer;
  const withId = (id: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes.writeInt32BE(id, 1);
    return bytes;
  };
  const login = (over: object): ForeignRecord => ({
    ...events.login({ ...user, ...over }),
    key: KEY,
  });
  const of = (value: Buffer | null): ForeignRecord => ({ key: KEY, value });
  const invalid = "VIG_EVENT_FIELD_INVALID";
  return [
    { name: "text", record: of(Buffer.from("hello")), code: "VIG_RECORD_NOT_AVRO" },
    { name: "no bytes", record: of(Buffer.alloc(0)), code: "VIG_RECORD_NOT_AVRO" },
    { name: "bare JSON", record: of(Buffer.from('{"a":1}')), code: "VIG_RECORD_NOT_AVRO" },
    {
      name: "unknown schema",
      record: of(withId(2_000_000_000)),
      code: "VIG_RECORD_SCHEMA_UNKNOWN",
    },
    {
      name: "cut short",
      record: of(good.subarray(0, good.length - 9)),
      code: "VIG_RECORD_UNDECODABLE",
    },
    {
      name: "noise behind a known schema",
      record: of(Buffer.concat([withId(schemaId).subarray(0, 5), randomBytes(40)])),
      code: "VIG_RECORD_UNDECODABLE",
    },
    { name: "null", record: of(null), code: "VIG_RECORD_NULL" },
    { name: "latitude 100", record: login({ lat: 100, lon: 0 }), code: invalid },
    { name: "no user", record: login({ userId: "" }), code: invalid },
    { name: "tenant with a space", record: login({ tenantId: "a b" }), code: invalid },
    { name: "event id too long", record: login({ eventId: "e".repeat(129) }), code: invalid },
    { name: "session id too long", record: login({ sessionId: "s".repeat(129) }), code: invalid },
    {
      name: "ahead",
      record: login({ occurredAt: Date.now() + 60 * MINUTE }),
      code: "VIG_EVENT_AHEAD",
    },
    {
      name: "too old",
      record: login({ occurredAt: Date.now() - 31 * DAY }),
      code: "VIG_EVENT_TOO_OLD",
    },
    {
      name: "over 64 KiB",
      record: login({ userAgent: randomBytes(40_000).toString("hex") }),
      code: "VIG_RECORD_TOO_LARGE",
    },
    {
      name: "another's key",
      record: login({ userId: "u-victim" }),
      code: "VIG_RECORD_KEY_MISMATCH",
    },
    {
      name: "no key",
      record: { ...login({}), key: null, partition: 0 },
      code: "VIG_RECORD_KEY_MISMATCH",
    },
  ];
}

const deadLetters = (service: string): Promise<ReadRecord[]> =>
  pipeline.reader
    .all("id.login.dlq")
    .then((all) => all.filter(({ headers }) => headers["vigie.error.service"] === service));

test("garbage of every kind becomes dead letters byte for byte, and the pipeline goes on", async () => {
  const bad = await garbage();
  await pipeline.producer.send(
    "id.login",
    bad.map(({ record }) => record),
  );
  const sent = await pipeline.reader.all("id.login");
  assert.equal(sent.length, bad.length);

  for (const service of READERS) {
    const letters = await until(`${service} has judged all`, async () => {
      const found = await deadLetters(service);
      return found.length >= bad.length ? found : null;
    });
    assert.equal(letters.length, bad.length, service);
    for (const { name, record, code } of bad) {
      const letter = letters.find(
        ({ value, key }) => same(value, record.value) && same(key, bytesOf(record.key)),
      );
      assert.ok(letter, `${service}: ${name} came with its bytes`);
      const { headers } = letter;
      assert.equal(headers["vigie.error.code"], code, `${service}: ${name}`);
      assert.ok(headers["vigie.error.message"], "it says what was wrong");
      assert.match(headers["vigie.error.topic"] ?? "", /id\.login$/);
      const origin = sent.find(
        ({ partition, offset }) =>
          String(partition) === headers["vigie.error.partition"] &&
          String(offset) === headers["vigie.error.offset"],
      );
      assert.ok(same(origin?.value ?? null, record.value), "it says where it lay");
    }
    const total = await pipeline.service(service).metric("vigie_dead_letters_total");
    assert.equal(total, bad.length, `${service} has counted them`);
  }
  await goesOn("u-after", "s-after");
  assert.equal(await sessionRow(pipeline, "s-u-bad"), null, "none of them had an effect");
  assert.equal(await sessionRow(pipeline, "s-u-victim"), null);
});

const bytesOf = (key: ForeignRecord["key"]): Buffer | null =>
  key === null ? null : Buffer.from(key);

const same = (one: Buffer | null, other: Buffer | null): boolean =>
  one === null || other === null ? one === other : one.equals(other);

/** A session and an anomaly come through on the partition where the garbage lay, and on all others. */
async function goesOn(user: string, session: string): Promise<void> {
  const users = Array.from({ length: 12 }, (_, n) => `${user}-${n}`);
  const records = users.flatMap((userId, n) => {
    const common = { userId, sessionId: `${session}-${n}`, ...PHONE };
    return [
      events.login({ ...common, ...DAKAR, occurredAt: Date.now() - 20 * MINUTE }),
      events.login({ ...common, ...PARIS }),
    ];
  });
  const partitions = new Set(records.map(({ key }) => partitionOf(String(key), 6)));
  assert.ok(partitions.size > 3, "several partitions are tried");
  await pipeline.producer.send("id.login", records);
  for (const [n, userId] of users.entries()) {
    await until("the session is stored", () => sessionRow(pipeline, `${session}-${n}`));
    await untilTrue("and lives in Redis", async () => {
      return (await inRedis(pipeline, userId, `${session}-${n}`)) === "active";
    });
  }
  await untilTrue("and the trips are found", async () => {
    const found = await values<SessionAnomaly>(pipeline, "id.session.anomaly");
    const travellers = found.flatMap((each) => (each === null ? [] : [each.user_id]));
    return users.every((userId) => travellers.includes(userId));
  });
}

test("a record in the wrong partition takes effect once, in the right one", async () => {
  const userId = "u-astray";
  const right = partitionOf(`${TENANT}|${userId}`, 6);
  const record = events.login({ userId, sessionId: "s-astray", ...PHONE });
  await pipeline.producer.send("id.login", [{ ...record, partition: (right + 1) % 6 }]);
  await until("its session is there", () => sessionRow(pipeline, "s-astray"));
  const copies = (await pipeline.reader.all("id.login")).filter(({ value }) =>
    same(value, record.value),
  );
  assert.deepEqual(
    copies.map(({ partition }) => partition).sort(),
    [right, (right + 1) % 6].sort(),
  );
  const misrouted = await pipeline
    .service("sessions")
    .metric("vigie_records_dropped_total", { reason: "misrouted" });
  assert.equal(misrouted, 1);
  assert.equal((await deadLetters("sessions")).length, (await garbage()).length);
});

test("what comes twice counts once, and a symbol that nobody knows yet is no dead letter", async () => {
  const before = (await deadLetters("detector")).length;
  const user = { userId: "u-twice", ...PHONE };
  const repeated = Array.from({ length: 8 }, () => {
    return events.mfa({ ...user, eventId: "the-same-failure" });
  });
  await pipeline.producer.send("id.mfa", repeated);
  await pipeline.producer.send("id.login", [
    events.login({ ...user, kind: "UNKNOWN", sessionId: "s-unknown" }),
    events.login({ ...user, sessionId: "s-twice", eventId: randomUUID() }),
  ]);
  await until("what follows is taken", () => sessionRow(pipeline, "s-twice"));
  await untilTrue("the detector has read it all", async () => {
    const detector = pipeline.service("detector");
    const twice = await detector.metric("vigie_records_dropped_total", { reason: "duplicate" });
    const strange = await detector.metric("vigie_records_dropped_total", {
      reason: "unknown_kind",
    });
    return twice >= 7 && strange >= 1;
  });
  const found = await values<SessionAnomaly>(pipeline, "id.session.anomaly");
  assert.ok(!found.some((each) => each?.user_id === "u-twice"), "eight copies are one failure");
  assert.equal(await sessionRow(pipeline, "s-unknown"), null);
  assert.equal((await deadLetters("detector")).length, before);
});

test("a user agent that is too long is cut, not refused", async () => {
  const userAgent = `Mozilla/5.0 ${"x".repeat(3_000)}`;
  await pipeline.producer.send("id.login", [
    events.login({ userId: "u-long", sessionId: "s-long", deviceId: "d", userAgent }),
  ]);
  const row = await until("its session is there", () => sessionRow(pipeline, "s-long"));
  assert.equal(row.status, "ACTIVE");
});
