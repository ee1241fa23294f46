import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { VigError } from "@vigie/core/errors";
import { partitionOf } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { afterAll, beforeAll, test } from "vitest";
import { until } from "../testing/until.ts";
import { openKafka } from "./client.ts";
import { openBatchingProducer, type Published } from "./producer.ts";
import { API, CuttingNet } from "./testing/cutting-net.ts";
import { type RealKafka, realKafka, texts } from "./testing/real-kafka.ts";

const net = new CuttingNet();
let kafka: RealKafka;
beforeAll(async () => {
  net.install();
  kafka = await realKafka();
});
afterAll(async () => {
  await kafka.close();
  net.uninstall();
});

const codeOf = (error: unknown): string => (error instanceof VigError ? error.code : String(error));

test("each publish resolves with its partition, real offset and the time that the broker gave it", async () => {
  const topic = await kafka.topic(3, { "message.timestamp.type": "LogAppendTime" });
  const producer = await openBatchingProducer(kafka.client);
  const keys = Array.from({ length: 200 }, (_, i) => `acme|user-${i}`);
  const placed = await Promise.all(
    keys.map((key) => producer.publish({ topic, key, value: Buffer.from(key) })),
  );
  assert.equal(producer.bufferedBytes, 0);
  for (const partition of [0, 1, 2]) {
    const records = await kafka.read(topic, partition);
    for (const { key, offset, timestampMs: appendedAtMs } of records) {
      const at = placed[keys.indexOf(String(key))] as Published;
      assert.deepEqual(at, { partition, offset, appendedAtMs });
      assert.equal(partition, partitionOf(String(key), 3));
    }
  }
  await producer.close();
});

test("a partition that the topic does not have wraps around", async () => {
  const topic = await kafka.topic(2);
  const producer = await openBatchingProducer(kafka.client);
  const placed = await producer.publish({ topic, partition: 5, key: "k", value: null });
  assert.equal(placed.partition, 1);
  await producer.close();
});

test("records of one partition keep their order", async () => {
  const topic = await kafka.topic(1);
  const producer = await openBatchingProducer(kafka.client, { lingerMs: 1 });
  const sent = Array.from({ length: 2_000 }, (_, i) => `${i}`);
  const placed = await Promise.all(
    sent.map((text) => producer.publish({ topic, key: "k", value: Buffer.from(text) })),
  );
  assert.deepEqual(
    placed.map(({ offset }) => offset),
    sent.map(Number),
  );
  assert.deepEqual(texts(await kafka.read(topic)), sent);
  await producer.close();
});

test("records that fill a request wait for no more company", async () => {
  const topic = await kafka.topic(1);
  // Longer than a record is waited for.
  const producer = await openBatchingProducer(kafka.client, { lingerMs: 60_000 });
  const value = Buffer.alloc(1_024);
  const sixteen = Array.from({ length: 16 }, () => producer.publish({ topic, key: "k", value }));
  const placed = await Promise.all(sixteen);
  assert.equal(placed.at(-1)?.offset, 15);
  await producer.close();
});

test("more than a batch takes goes in several, headers and dead letters included", async () => {
  const topic = await kafka.topic(1);
  const producer = await openBatchingProducer(kafka.client);
  const value = Buffer.alloc(300_000, 7);
  await Promise.all(
    Array.from({ length: 8 }, () =>
      producer.publish({ topic, key: null, value, headers: { why: "big" }, compression: "none" }),
    ),
  );
  await producer.publish({ topic, key: null, value, compression: "gzip" });
  const records = await kafka.read(topic);
  assert.equal(records.length, 9);
  assert.ok(records.every((record) => record.value?.equals(value)));
  assert.deepEqual(
    records[0]?.headers.map(({ name, value: text }) => [name, String(text)]),
    [["why", "big"]],
  );
  await producer.close();
});

for (const when of ["before", "after"] as const) {
  test(`the connection lost ${when} a request reaches the broker: each record is written once`, async () => {
    const topic = await kafka.topic(1);
    const producer = await openBatchingProducer(kafka.client);
    await producer.publish({ topic, key: "k", value: Buffer.from("0") });
    net.cutNext({ apiKey: API.produce, when });
    const placed = await Promise.all(
      ["1", "2", "3"].map((text) =>
        producer.publish({ topic, key: "k", value: Buffer.from(text) }),
      ),
    );
    assert.deepEqual(
      placed.map(({ offset }) => offset),
      [1, 2, 3],
    );
    assert.deepEqual(texts(await kafka.read(topic)), ["0", "1", "2", "3"]);
    await producer.close();
  });
}

test("with the broker away a record is refused after a bounded time, and later ones are taken again", async () => {
  const topic = await kafka.topic(1);
  const states: boolean[] = [];
  const producer = await openBatchingProducer(kafka.client, {
    deliveryTimeoutMs: 700,
    onBroker: (up) => states.push(up),
  });
  await producer.publish({ topic, key: "k", value: Buffer.from("before") });
  net.goAway();
  const startedMs = performance.now();
  const failed = await producer
    .publish({ topic, key: "k", value: Buffer.from("during") })
    .catch(codeOf);
  const tookMs = performance.now() - startedMs;
  assert.equal(failed, "VIG_BROKER_AWAY");
  assert.ok(tookMs < 2_000, `${tookMs.toFixed(0)} ms`);
  assert.equal(producer.healthy, false);
  net.comeBack();
  await until("it takes records again", async () => {
    const placed = await producer
      .publish({ topic, key: "k", value: Buffer.from("after") })
      .catch(() => null);
    return placed !== null;
  });
  assert.equal(producer.healthy, true);
  assert.deepEqual(states, [false, true]);
  assert.equal(producer.bufferedBytes, 0);
  await producer.close();
});

test("whatever is acknowledged over outages is in the log", async () => {
  const topic = await kafka.topic(2);
  const producer = await openBatchingProducer(kafka.client, { deliveryTimeoutMs: 2_000 });
  const acknowledged: string[] = [];
  let count = 0;
  let done = false;
  const publishers = Array.from({ length: 20 }, async () => {
    while (!done) {
      count += 1;
      const text = `${count}`;
      const record = { topic, key: text, value: Buffer.from(text) };
      const placed = await producer.publish(record).catch(() => null);
      if (placed !== null) acknowledged.push(text);
    }
  });
  for (let outage = 1; outage <= 3; outage += 1) {
    const before = acknowledged.length;
    await until("more is acknowledged", () => acknowledged.length >= before + 500);
    net.goAway();
    await until("the outage is noticed", () => !producer.healthy);
    net.comeBack();
  }
  await until("it goes on", () => producer.healthy);
  done = true;
  await Promise.all(publishers);
  const logged = [...(await kafka.read(topic, 0)), ...(await kafka.read(topic, 1))];
  const present = new Set(texts(logged));
  assert.deepEqual(
    acknowledged.filter((text) => !present.has(text)),
    [],
  );
  await producer.close();
});

test("a full buffer refuses at once", async () => {
  const topic = await kafka.topic(1);
  const producer = await openBatchingProducer(kafka.client, {
    bufferBytesMax: 1_000,
    lingerMs: 50,
  });
  const value = Buffer.alloc(400);
  const results = await Promise.all(
    [1, 2, 3].map(() => producer.publish({ topic, key: "k", value }).catch(codeOf)),
  );
  assert.deepEqual(results.slice(0, 2), [
    { partition: 0, offset: 0, appendedAtMs: -1 },
    { partition: 0, offset: 1, appendedAtMs: -1 },
  ]);
  assert.equal(results[2], "VIG_BUFFER_FULL");
  assert.equal(producer.bufferedBytes, 0);
  await producer.close();
});

test("a topic that does not exist fails its own records only", async () => {
  const topic = await kafka.topic(1);
  const producer = await openBatchingProducer(kafka.client);
  const [missing, present] = await Promise.all([
    producer.publish({ topic: kafka.name(), key: "k", value: null }).catch(codeOf),
    producer.publish({ topic, key: "k", value: null }),
  ]);
  assert.equal(missing, "VIG_TOPIC_MISSING");
  assert.equal(present.offset, 0);
  await producer.close();
});

test("nor does one that comes after a request has begun, and one that is there by then is written to", async () => {
  const producer = await openBatchingProducer(kafka.client);
  // Neither is known to the producer yet.
  const [topic, other] = [await kafka.topic(3), await kafka.topic(1)];
  await producer.publish({ topic, key: "k", value: null });
  // Nothing is under way any more.
  await turn();
  const value = Buffer.alloc(1_024);
  const many = Array.from({ length: 16 }, () => producer.publish({ topic, key: "k", value }));
  const [missing, present, ...placed] = await Promise.all([
    producer.publish({ topic: kafka.name(), key: "k", value }).catch(codeOf),
    producer.publish({ topic: other, key: "k", value }),
    ...many,
  ]);
  assert.equal(missing, "VIG_TOPIC_MISSING");
  assert.equal(present.offset, 0);
  assert.deepEqual(
    placed.map(({ offset }) => offset),
    Array.from({ length: 16 }, (_, at) => at + 1),
  );
  await producer.close();
});

test("closing sends what is buffered, then refuses", async () => {
  const topic = await kafka.topic(1);
  const producer = await openBatchingProducer(kafka.client, { lingerMs: 60_000 });
  const last = producer.publish({ topic, key: "k", value: Buffer.from("last") });
  await producer.close();
  assert.equal((await last).offset, 0);
  const late = await producer.publish({ topic, key: "k", value: null }).catch(codeOf);
  assert.equal(late, "VIG_BROKER_AWAY");
});

test("a broker that is away at the start is no error", async () => {
  const client = openKafka({ brokers: ["127.0.0.1:1"], clientId: "test", log: silentLogger });
  const producer = await openBatchingProducer(client, { deliveryTimeoutMs: 300 });
  assert.equal(producer.healthy, false);
  const refused = await producer.publish({ topic: "t", key: "k", value: null }).catch(codeOf);
  assert.equal(refused, "VIG_BROKER_AWAY");
  await producer.close();
});
