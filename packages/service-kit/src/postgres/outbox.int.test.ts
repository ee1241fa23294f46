import assert from "node:assert/strict";
import { resolve } from "node:path";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { type KafkaClient, openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { eventually } from "@vigie/testkit/eventually";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { createMetrics } from "../metrics.ts";
import { type Database, openDatabase, type PoolOptions, schemaOf } from "./database.ts";
import { migrate, migrationFolders } from "./migrate.ts";
import { enqueue, type OutboxRecord } from "./outbox.ts";
import { kafkaCarrier } from "./outbox-kafka.ts";
import { type OutboxCarrier, startOutboxPublisher } from "./outbox-publisher.ts";

const root = resolve(import.meta.dirname, "../../../..");
const folders = migrationFolders(root).filter(({ owner }) => ["platform", "edge"].includes(owner));
const TOPIC = "id.session.policy";

let servers: TestStack;
let options: PoolOptions;
let database: Database;
let client: KafkaClient;

beforeAll(async () => {
  servers = await stack();
  const schema = schemaOf(servers.prefix);
  await migrate({ url: servers.postgres, schema, folders, log: silentLogger });
  options = {
    url: servers.postgres,
    applicationName: "outbox-test",
    schema,
    role: "vigie_edge",
    statementTimeoutMs: 5_000,
    poolMax: 8,
    log: silentLogger,
  };
  database = openDatabase(options);
  client = openKafka({ brokers: [servers.kafka], clientId: "outbox-test", log: silentLogger });
  await withAdmin((admin) =>
    admin.createTopics([
      { topic: servers.prefix + TOPIC, partitions: 1, replicas: 1, configs: {} },
    ]),
  );
});
afterAll(async () => {
  await withAdmin((admin) => admin.deleteTopics([servers.prefix + TOPIC]));
  await database.close();
  const { role: _, ...owner } = options;
  const cleaner = openDatabase(owner);
  await cleaner.query(`drop schema "${options.schema}" cascade`);
  await cleaner.close();
  await servers.close();
});
beforeEach(() => database.query("delete from outbox"));

async function withAdmin<T>(work: (admin: Awaited<ReturnType<typeof openAdmin>>) => Promise<T>) {
  const admin = await openAdmin(client);
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

const record = (key: string, text: string): OutboxRecord => ({
  topic: TOPIC,
  key,
  value: Buffer.from(text),
});
const put = (key: string, text: string): Promise<void> =>
  database.transaction((tx) => enqueue(tx, record(key, text)));

/** Carriers of one line: what was carried, by whom, and who has claimed last. */
function line() {
  const carried: { readonly by: string; readonly key: string; readonly text: string }[] = [];
  const claims: string[] = [];
  let failAfter = 0;
  const carrier = (by: string): OutboxCarrier => ({
    claim: async () => void claims.push(by),
    async carry(records) {
      if (claims.at(-1) !== by) throw new VigError("VIG_PRODUCER_FENCED", { transactionalId: by });
      for (const { key, value } of records) carried.push({ by, key, text: `${value}` });
      if (failAfter-- > 0) throw new VigError("VIG_TRANSACTION_UNKNOWN", { why: "planted" });
    },
    close: async () => {},
  });
  return {
    carried,
    claims,
    carrier,
    /** The next carryings succeed, and their carrier does not learn of it. */
    failNext: (count: number) => {
      failAfter = count;
    },
  };
}

function publisher(openCarrier: () => OutboxCarrier) {
  const metrics = createMetrics("test", { processMetrics: false });
  const running = startOutboxPublisher({
    database: options,
    openCarrier,
    log: silentLogger,
    metrics,
  });
  onTestFinished(() => running.stop());
  return { ...running, metrics };
}

test("a commit is carried at once, a rollback never", async () => {
  const { carried, claims, carrier } = line();
  publisher(() => carrier("one"));
  await eventually(() => assert.deepEqual(claims, ["one"]));
  const undone = database.transaction(async (tx) => {
    await enqueue(tx, record("acme", "undone"));
    throw new Error("no");
  });
  await assert.rejects(undone, /no/);
  const begunMs = performance.now();
  await put("acme", "done");
  await eventually(() => assert.equal(carried.length, 1));
  // Far below the time after which it would have looked by itself.
  expect(performance.now() - begunMs).toBeLessThan(400);
  assert.deepEqual(carried, [{ by: "one", key: "acme", text: "done" }]);
  await eventually(async () =>
    assert.equal((await database.query("select 1 from outbox")).count, 0),
  );
});

test("what would hold up the line is refused before it is in it", async () => {
  const value = Buffer.alloc(65_537);
  const tooLarge = database.transaction((tx) => enqueue(tx, { topic: TOPIC, key: "a", value }));
  await assert.rejects(tooLarge, (error) => (error as VigError).code === "VIG_RECORD_TOO_LARGE");
  const nowhere = database.transaction((tx) =>
    enqueue(tx, { topic: "none", key: "a", value: null }),
  );
  await assert.rejects(nowhere, (error) => (error as VigError).code === "VIG_INVARIANT");
});

test("what was enqueued while nobody was there is carried, in order", async () => {
  const { carried, carrier } = line();
  for (const text of ["1", "2", "3"]) await put("acme", text);
  publisher(() => carrier("late"));
  await eventually(() => assert.equal(carried.length, 3));
  assert.deepEqual(
    carried.map(({ text }) => text),
    ["1", "2", "3"],
  );
});

test("records of one key keep the order of their commits, however transactions interleave", async () => {
  const { carried, carrier } = line();
  publisher(() => carrier("one"));
  const turns = new Map<string, number>();
  const bump = (key: string) =>
    database.transaction(async (tx) => {
      await enqueue(tx, record(key, "first"));
      // Only who holds the key's lock gets here, so this is the order of commits.
      const turn = (turns.get(key) ?? 0) + 1;
      turns.set(key, turn);
      await enqueue(tx, record(key, String(turn)));
    });
  await Promise.all(Array.from({ length: 60 }, (_, i) => bump(i % 2 === 0 ? "acme" : "other")));
  await eventually(() => assert.equal(carried.length, 120));
  for (const key of ["acme", "other"]) {
    const texts = carried.filter((each) => each.key === key && each.text !== "first");
    assert.deepEqual(
      texts.map(({ text }) => Number(text)),
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
  }
});

test("one publisher is in charge; when it goes the other takes over", async () => {
  const { carried, claims, carrier } = line();
  const first = publisher(() => carrier("first"));
  await eventually(() => assert.deepEqual(claims, ["first"]));
  publisher(() => carrier("second"));
  await put("acme", "1");
  await eventually(() => assert.equal(carried.length, 1));
  await first.stop();
  await put("acme", "2");
  await eventually(() => assert.equal(carried.length, 2));
  assert.deepEqual(
    carried.map(({ by, text }) => `${by} ${text}`),
    ["first 1", "second 2"],
  );
});

test("a crash between publishing and forgetting publishes again, and loses nothing", async () => {
  const { carried, carrier, failNext } = line();
  failNext(1);
  await put("acme", "1");
  await put("acme", "2");
  publisher(() => carrier("one"));
  await eventually(() => assert.equal(carried.length, 4));
  assert.deepEqual(
    carried.map(({ text }) => text),
    ["1", "2", "1", "2"],
  );
});

test("a lost connection is replaced", async () => {
  const { carried, claims, carrier } = line();
  const { metrics } = publisher(() => carrier("one"));
  await eventually(() => assert.equal(claims.length, 1));
  const { role: _, ...owner } = options;
  const killer = openDatabase(owner);
  onTestFinished(() => killer.close());
  await killer.query(
    `select pg_terminate_backend(pid) from pg_locks
      where locktype = 'advisory' and objid = hashtext($1)::int8 & 4294967295`,
    [`${options.schema}${options.role}`],
  );
  await put("acme", "after");
  await eventually(() => assert.equal(carried.length, 1));
  assert.equal(claims.length, 2);
  const text = await metrics.registry.getSingleMetricAsString("vigie_outbox_carried_total");
  assert.match(text, /topic="id.session.policy"} 1/);
});

test("on Kafka, one that was cut off can write nothing behind its successor", async () => {
  const old = kafkaCarrier(client, servers.prefix, "vigie.outbox");
  const heir = kafkaCarrier(client, servers.prefix, "vigie.outbox");
  onTestFinished(async () => void (await Promise.all([old.close(), heir.close()])));
  await old.claim();
  await old.carry([record("acme", "1"), record("acme", "2")]);
  await heir.claim();
  await heir.carry([record("acme", "3"), { topic: TOPIC, key: "gone", value: null }]);
  await assert.rejects(
    old.carry([record("acme", "2")]),
    (error) => error instanceof VigError && error.code === "VIG_PRODUCER_FENCED",
  );
  const reader = await openLoneReader(client);
  onTestFinished(() => reader.close());
  const found: string[] = [];
  const range = {
    topic: servers.prefix + TOPIC,
    partition: 0,
    from: "earliest",
    to: "end",
  } as const;
  await reader.read(range, (records) => {
    for (const { key, value } of records) found.push(`${key} ${value}`);
  });
  assert.deepEqual(found, ["acme 1", "acme 2", "acme 3", "gone null"]);
});
