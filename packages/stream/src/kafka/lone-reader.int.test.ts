import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { VigError } from "@vigie/core/errors";
import { afterAll, beforeAll, test } from "vitest";
import { until } from "../testing/until.ts";
import { openCluster } from "./client.ts";
import { UNPACKED_BYTES_MAX } from "./decompress.ts";
import { openLoneReader } from "./lone-reader.ts";
import type { RepairName } from "./repairs.ts";
import { RecordSender } from "./sender.ts";
import { type RealKafka, realKafka, texts } from "./testing/real-kafka.ts";
import { initEpoch } from "./transaction.ts";
import { openTransactionalProducer } from "./transactional-producer.ts";
import type { FetchedRecord, OutgoingMessage } from "./types.ts";

let kafka: RealKafka;
beforeAll(async () => {
  kafka = await realKafka();
});
afterAll(() => kafka.close());

const say = (text: string): OutgoingMessage => ({
  partition: 0,
  key: "k",
  value: Buffer.from(text),
});

/** A transaction that is ended by hand, so that several may overlap in one partition. */
async function openTransaction(topic: string) {
  const cluster = await openCluster(kafka.client, [topic]);
  const transactionalId = kafka.name();
  const ids = await initEpoch(cluster, transactionalId, 10_000);
  const identity = { transactionalId, ...ids };
  const coordinator = await cluster.findGroupCoordinator({
    groupId: transactionalId,
    coordinatorType: 1,
  });
  await coordinator.addPartitionsToTxn({ ...identity, topics: [{ topic, partitions: [0] }] });
  const sender = new RecordSender(cluster, {
    producerId: Number(ids.producerId),
    producerEpoch: ids.producerEpoch,
    transactionalId,
  });
  return {
    write: async (text: string) => {
      const batch = { topic, partition: 0, compression: "none" as const, messages: [say(text)] };
      await sender.send([batch], 5_000);
    },
    end: async (commit: boolean) => {
      await coordinator.endTxn({ ...identity, transactionResult: commit });
      await cluster.disconnect();
    },
  };
}

/** Two producers abort, overlapping in the partition; a third commits among them. Only its records count. */
async function writeOverlappingAborts(topic: string): Promise<void> {
  const [first, second, third] = await Promise.all([
    openTransaction(topic),
    openTransaction(topic),
    openTransaction(topic),
  ]);
  await first.write("aborted 1a");
  await second.write("aborted 2a");
  await third.write("committed 1");
  await first.write("aborted 1b");
  await second.end(false);
  await until(
    "the first abort is in the log",
    async () => (await kafka.admin.endOffsets(topic))[0] === 5,
  );
  await first.write("aborted 1c");
  await third.write("committed 2");
  await first.end(false);
  await third.end(true);
  await until(
    "all transactions have ended",
    async () => (await kafka.admin.stableOffsets(topic))[0] === 9,
  );
}

test("overlapping aborted transactions are not read, and the position moves over all of it", async () => {
  const topic = await kafka.topic(1);
  await writeOverlappingAborts(topic);
  const reader = await openLoneReader(kafka.client);
  const seen: FetchedRecord[] = [];
  const position = await reader.read(
    { topic, partition: 0, from: "earliest", to: "end" },
    (more) => {
      seen.push(...more);
    },
  );
  await reader.close();
  assert.deepEqual(texts(seen), ["committed 1", "committed 2"]);
  assert.equal(position, 9);
});

/** What kafkajs's own consumer reads of the topic, repaired but for one repair, in a process of its own. */
function readByLibrary(topic: string, except: RepairName | null): string[] {
  const here = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);
  const script = `
    const { applyRepairs } = await import(${here("./repairs.ts")});
    applyRepairs(${except === null ? "" : JSON.stringify({ except })});
    const { openKafka } = await import(${here("./client.ts")});
    const { silentLogger } = await import("@vigie/core/log");
    const { kafkajs } = openKafka({ brokers: ${JSON.stringify(kafka.brokers)}, clientId: "c", log: silentLogger });
    const consumer = kafkajs.consumer({ groupId: ${JSON.stringify(`${topic}.${except}`)}, maxWaitTimeInMs: 50 });
    await consumer.connect();
    await consumer.subscribe({ topic: ${JSON.stringify(topic)}, fromBeginning: true });
    const seen = [];
    consumer.on("consumer.start_batch_process", ({ payload }) => {
      if (Number(payload.lastOffset) === 8) setImmediate(() => {
        console.log(JSON.stringify(seen));
        process.exit(0);
      });
    });
    await consumer.run({ eachMessage: async ({ message }) => { seen.push(message.value.toString()); } });
  `;
  const args = ["--input-type=module", "--eval", script];
  const options = { encoding: "utf8", cwd: import.meta.dirname } as const;
  return JSON.parse(execFileSync(process.execPath, args, options)) as string[];
}

test("kafkajs's own consumer leaks them without the repair", async () => {
  const topic = await kafka.topic(1);
  await writeOverlappingAborts(topic);
  assert.deepEqual(readByLibrary(topic, null), ["committed 1", "committed 2"]);
  const leaked = readByLibrary(topic, "aborted-records");
  assert.ok(
    leaked.some((text) => text.startsWith("aborted")),
    `${leaked}`,
  );
});

test("a range is read from its first to before its last offset", async () => {
  const topic = await kafka.topic(2);
  const producer = openTransactionalProducer(kafka.client, { transactionalId: kafka.name() });
  await producer.init();
  const messages = Array.from({ length: 20 }, (_, i) => ({ ...say(`${i}`), partition: 1 }));
  await producer.commit({ messages: [{ topic, messages }], offsets: [], groupId: kafka.name() });
  await producer.close();
  const reader = await openLoneReader(kafka.client);
  const seen: FetchedRecord[] = [];
  const range = { topic, partition: 1, from: 5, to: 8 } as const;
  assert.equal(await reader.read(range, (more) => seen.push(...more)), 8);
  assert.deepEqual(texts(seen), ["5", "6", "7"]);
  assert.equal(await reader.read({ ...range, from: 8 }, () => assert.fail("nothing to read")), 8);
  assert.deepEqual(await reader.endOffsets(topic), [0, 21]);
  await reader.close();
});

test("an offset that the log no longer holds is an error, never a reset", async () => {
  const topic = await kafka.topic(1);
  const producer = openTransactionalProducer(kafka.client, { transactionalId: kafka.name() });
  await producer.init();
  const messages = Array.from({ length: 10 }, (_, i) => say(`${i}`));
  await producer.commit({ messages: [{ topic, messages }], offsets: [], groupId: kafka.name() });
  await producer.close();
  await kafka.admin.deleteRecords([{ topic, partition: 0, offset: 6 }]);
  const reader = await openLoneReader(kafka.client);
  await assert.rejects(
    reader.read({ topic, partition: 0, from: 2, to: "end" }, () => assert.fail("no records")),
    (error) =>
      error instanceof VigError &&
      error.code === "VIG_OFFSET_OUT_OF_RANGE" &&
      error.details.offset === 2,
  );
  assert.deepEqual(texts(await kafka.read(topic)), ["6", "7", "8", "9"]);
  await reader.close();
});

test("a broker takes a batch that unpacks to far more than itself; it is told where it lies, not unpacked", async () => {
  const topic = await kafka.topic(1);
  const producer = openTransactionalProducer(kafka.client, { transactionalId: kafka.name() });
  await producer.init();
  const batches = [say("small"), { ...say(""), value: Buffer.alloc(2 * UNPACKED_BYTES_MAX) }];
  for (const message of batches) {
    const messages = [{ topic, messages: [message], compression: "gzip" as const }];
    await producer.commit({ messages, offsets: [], groupId: kafka.name() });
  }
  await producer.close();
  const reader = await openLoneReader(kafka.client);
  const seen: FetchedRecord[] = [];
  await assert.rejects(
    reader.read({ topic, partition: 0, from: 0, to: "end" }, (more) => seen.push(...more)),
    (error) =>
      error instanceof VigError &&
      error.code === "VIG_UNPACKED_TOO_LARGE" &&
      // Behind the small one and its marker.
      error.details.offset === 2,
  );
  assert.deepEqual(texts(seen), ["small"]);
  await reader.close();
});

test("following goes on with what is written later, and ends when told", async () => {
  const topic = await kafka.topic(1);
  const producer = openTransactionalProducer(kafka.client, { transactionalId: kafka.name() });
  await producer.init();
  const commit = (text: string) =>
    producer.commit({
      messages: [{ topic, messages: [say(text)] }],
      offsets: [],
      groupId: kafka.name(),
    });
  await commit("before");
  const reader = await openLoneReader(kafka.client);
  const seen: string[] = [];
  const following = await reader.follow([{ topic, partition: 0, from: "earliest" }], {
    records: (more) => seen.push(...texts(more)),
    failed: (error) => assert.fail(error),
  });
  await until("the first record", () => seen.length === 1);
  await commit("after");
  await until("the second record", () => seen.length === 2);
  following.stop();
  await commit("unseen");
  assert.deepEqual(texts(await kafka.read(topic)), ["before", "after", "unseen"]);
  assert.deepEqual(seen, ["before", "after"]);
  await Promise.all([reader.close(), producer.close()]);
});
