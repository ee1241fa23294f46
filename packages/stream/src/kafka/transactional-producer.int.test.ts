import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { until } from "../testing/until.ts";
import { API, CuttingNet } from "./testing/cutting-net.ts";
import { type RealKafka, realKafka, texts } from "./testing/real-kafka.ts";
import { openTransactionalProducer, type TransactionalProducer } from "./transactional-producer.ts";
import type { OutgoingMessage, TopicMessages } from "./types.ts";

const net = new CuttingNet();
let kafka: RealKafka;
let topic: string;
let input: string;
let groupId: string;
beforeAll(async () => {
  net.install();
  kafka = await realKafka();
});
afterAll(async () => {
  await kafka.close();
  net.uninstall();
});
beforeEach(async () => {
  [topic, input] = [await kafka.topic(2), await kafka.topic(2)];
  groupId = kafka.name();
});

const say = (text: string, partition = 0): OutgoingMessage => ({
  partition,
  key: "k",
  value: Buffer.from(text),
});
const saying = (text: string): TopicMessages[] => [{ topic, messages: [say(text)] }];
const upTo = (offset: number) => [{ topic: input, partition: 0, offset }];
const isCode = (code: string) => (error: unknown) =>
  error instanceof VigError && error.code === code;

async function open(transactionalId = kafka.name()): Promise<TransactionalProducer> {
  const producer = openTransactionalProducer(kafka.client, { transactionalId });
  await producer.init();
  await producer.committed(groupId, [{ topic: input, partition: 0 }]);
  return producer;
}

/** What a new owner finds: its init waits for markers on their way. */
async function committedOffset(transactionalId: string): Promise<number | null> {
  const next = openTransactionalProducer(kafka.client, { transactionalId });
  await next.init();
  const [found] = await next.committed(groupId, [{ topic: input, partition: 0 }]);
  await next.close();
  return found?.offset ?? null;
}

test("messages and offsets become visible together, and the ends of what was written are told", async () => {
  const id = kafka.name();
  const producer = await open(id);
  const messages = [{ topic, messages: [say("a"), say("b"), say("c", 1)] }];
  const ends = await producer.commit({ messages, offsets: upTo(7), groupId });
  assert.deepEqual(
    ends.map(({ partition, offset }) => [partition, offset]),
    [
      [0, 2],
      [1, 1],
    ],
  );
  assert.equal(await committedOffset(id), 7);
  assert.deepEqual(texts(await kafka.read(topic)), ["a", "b"]);
  await producer.close();
});

test("a transaction may have offsets only, and may have nothing", async () => {
  const id = kafka.name();
  const producer = await open(id);
  await producer.commit({ messages: [], offsets: [], groupId });
  await producer.commit({ messages: [], offsets: upTo(3), groupId });
  await producer.close();
  assert.equal(await committedOffset(id), 3);
});

test("commits follow each other at once, though the coordinator still ends the last one", async () => {
  const id = kafka.name();
  const producer = await open(id);
  for (let i = 1; i <= 20; i += 1) {
    await producer.commit({ messages: saying(`${i}`), offsets: upTo(i), groupId });
  }
  await producer.close();
  assert.equal(await committedOffset(id), 20);
  const expected = Array.from({ length: 20 }, (_, i) => `${i + 1}`);
  assert.deepEqual(texts(await kafka.read(topic)), expected);
});

test("4,000 records of 270 bytes in one partition are one transaction, not one batch", async () => {
  const producer = await open();
  const text = "x".repeat(270);
  const messages = Array.from({ length: 4_000 }, () => say(text));
  const ends = await producer.commit({ messages: [{ topic, messages }], offsets: [], groupId });
  assert.equal(ends[0]?.offset, 4_000);
  assert.equal((await kafka.read(topic)).length, 4_000);
  await producer.close();
});

test("dead letters may be compressed beside plain records", async () => {
  const producer = await open();
  const big = "0".repeat(100_000);
  const dead = { topic: input, messages: [say(big)], compression: "gzip" } as const;
  await producer.commit({ messages: [...saying("plain"), dead], offsets: [], groupId });
  assert.deepEqual(texts(await kafka.read(input)), [big]);
  assert.deepEqual(texts(await kafka.read(topic)), ["plain"]);
  await producer.close();
});

test("a new owner fences the old one, whose records are never seen", async () => {
  const id = kafka.name();
  const zombie = await open(id);
  await zombie.commit({ messages: saying("own"), offsets: upTo(1), groupId });
  const owner = await open(id);
  await assert.rejects(
    zombie.commit({ messages: saying("zombie"), offsets: upTo(2), groupId }),
    isCode("VIG_PRODUCER_FENCED"),
  );
  await owner.commit({ messages: saying("owner"), offsets: upTo(2), groupId });
  assert.deepEqual(texts(await kafka.read(topic)), ["own", "owner"]);
  await Promise.all([zombie.close(), owner.close()]);
});

for (const [step, apiKey] of Object.entries(API)) {
  for (const when of ["before", "after"] as const) {
    test(`the connection lost ${when} ${step} reaches the broker: the commit happens once`, async () => {
      const id = kafka.name();
      const producer = await open(id);
      await producer.commit({ messages: saying("first"), offsets: upTo(1), groupId });
      const cutsBefore = net.cuts;
      net.cutNext({ apiKey, when });
      await producer.commit({ messages: saying("second"), offsets: upTo(2), groupId });
      assert.equal(net.cuts, cutsBefore + 1);
      await producer.commit({ messages: saying("third"), offsets: upTo(3), groupId });
      await producer.close();
      assert.equal(await committedOffset(id), 3);
      assert.deepEqual(texts(await kafka.read(topic)), ["first", "second", "third"]);
    });
  }
}

test("an end in doubt over a long outage is learned from the stored offsets", async () => {
  const id = kafka.name();
  const states: boolean[] = [];
  const producer = openTransactionalProducer(kafka.client, {
    transactionalId: id,
    onBroker: (up) => states.push(up),
  });
  await producer.init();
  await producer.committed(groupId, [{ topic: input, partition: 0 }]);
  net.cutNext({ apiKey: API.endTxn, when: "after" });
  const cutsBefore = net.cuts;
  const commit = producer.commit({ messages: saying("once"), offsets: upTo(1), groupId });
  await until("the end is cut", () => net.cuts > cutsBefore);
  net.goAway();
  await until("the outage is told", () => states.includes(false));
  net.comeBack();
  await commit;
  await producer.commit({ messages: saying("twice"), offsets: upTo(2), groupId });
  await producer.close();
  assert.equal(states.at(-1), true);
  assert.equal(await committedOffset(id), 2);
  assert.deepEqual(texts(await kafka.read(topic)), ["once", "twice"]);
});

for (const [what, apiKey, when] of [
  ["before its records", API.produce, "before"],
  ["before its end", API.endTxn, "before"],
  ["after its end", API.endTxn, "after"],
] as const) {
  test(`a commit that was acknowledged and lost is done again when the next one breaks ${what}`, async () => {
    const id = kafka.name();
    const states: boolean[] = [];
    const producer = openTransactionalProducer(kafka.client, {
      transactionalId: id,
      stepTimeoutMs: 300,
      onBroker: (up) => states.push(up),
    });
    await producer.init();
    await producer.committed(groupId, [{ topic: input, partition: 0 }]);
    await producer.commit({ messages: saying("first"), offsets: upTo(1), groupId });
    net.cutNext({ apiKey: API.endTxn, when: "forged" });
    const messages = [{ topic, messages: [say("second"), say("beside", 1)] }];
    await producer.commit({ messages, offsets: upTo(2), groupId });
    const cutsBefore = net.cuts;
    net.cutNext({ apiKey, when });
    const third = producer.commit({ messages: saying("third"), offsets: upTo(3), groupId });
    await until("the third is cut", () => net.cuts > cutsBefore);
    net.goAway();
    await until("the outage is told", () => states.includes(false));
    net.comeBack();
    await third;
    await producer.close();
    assert.equal(await committedOffset(id), 3);
    assert.deepEqual(texts(await kafka.read(topic)), ["first", "second", "third"]);
    assert.deepEqual(texts(await kafka.read(topic, 1)), ["beside"]);
  });
}

test("records that a broker forgot to end are ended by the next owner", async () => {
  const id = kafka.name();
  const producer = await open(id);
  net.cutNext({ apiKey: API.endTxn, when: "forged" });
  await producer.commit({ messages: saying("open"), offsets: upTo(1), groupId });
  await producer.close();
  const owner = openTransactionalProducer(kafka.client, { transactionalId: id });
  await owner.init({ partitions: [{ topic, partition: 0 }], groupId });
  await owner.committed(groupId, [{ topic: input, partition: 0 }]);
  await owner.commit({ messages: saying("next"), offsets: upTo(2), groupId });
  await owner.close();
  assert.deepEqual(texts(await kafka.read(topic)), ["next"]);
});

test("a producer that is closed in an outage says that nothing was written", async () => {
  const producer = await open();
  net.goAway();
  const commit = producer.commit({ messages: saying("never"), offsets: upTo(1), groupId });
  await producer.close();
  await assert.rejects(commit, isCode("VIG_TRANSACTION_ABORTED"));
  net.comeBack();
  assert.deepEqual(texts(await kafka.read(topic)), []);
});

test("a topic that does not exist refuses the whole transaction", async () => {
  const producer = await open();
  const messages = [...saying("with it"), { topic: kafka.name(), messages: [say("x")] }];
  await assert.rejects(
    producer.commit({ messages, offsets: upTo(1), groupId }),
    (error) =>
      error instanceof VigError &&
      error.code === "VIG_TRANSACTION_ABORTED" &&
      isCode("VIG_TOPIC_MISSING")(error.cause),
  );
  assert.deepEqual(texts(await kafka.read(topic)), []);
  await producer.close();
});
