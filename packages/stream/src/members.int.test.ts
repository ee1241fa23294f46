import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { silentLogger } from "@vigie/core/log";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, test } from "vitest";
import { type KafkaAdmin, openAdmin } from "./kafka/admin.ts";
import { type KafkaClient, openKafka } from "./kafka/client.ts";
import { type LoneReader, openLoneReader } from "./kafka/lone-reader.ts";
import { type BatchingProducer, openBatchingProducer } from "./kafka/producer.ts";
import type { LedgerEntry } from "./testing/ledger.ts";
import { withStateDir } from "./testing/lives.ts";
import type { MemberData, MemberMessage } from "./testing/member-worker.ts";
import { until } from "./testing/until.ts";

const PARTITIONS = 6;
const USERS = 40;
const WORKER = new URL("./testing/member-worker.ts", import.meta.url);

let servers: TestStack;
let client: KafkaClient;
let admin: KafkaAdmin;
let reader: LoneReader;
let producer: BatchingProducer;

beforeAll(async () => {
  servers = await stack();
  client = openKafka({ brokers: [servers.kafka], clientId: "members-test", log: silentLogger });
  admin = await openAdmin(client);
  reader = await openLoneReader(client);
  producer = await openBatchingProducer(client);
  const topics = ["t.deposits", "t.payments", "t.orders", "t.entries"];
  await admin.createTopics(
    topics.map((topic) => ({ topic: servers.prefix + topic, partitions: PARTITIONS })),
  );
});
afterAll(async () => {
  await Promise.all([producer?.close(), reader?.close(), admin?.close()]);
  await servers?.close();
});

/** A member in a thread of this process. */
class Member {
  running: readonly number[] = [];
  private readonly worker: Worker;
  private readonly stopped = Promise.withResolvers<void>();

  constructor(member: string, stateDir: string) {
    const data: MemberData = {
      brokers: [servers.kafka],
      prefix: servers.prefix,
      stateDir,
      member,
    };
    this.worker = new Worker(WORKER, { workerData: data });
    this.worker.on("message", (message: MemberMessage) => {
      if ("running" in message) this.running = message.running;
      else this.stopped.resolve();
    });
    this.worker.on("error", this.stopped.reject);
  }

  stop(): Promise<void> {
    this.worker.postMessage("stop");
    return this.stopped.promise;
  }

  /** Ends the thread where it stands. */
  async kill(): Promise<void> {
    await this.worker.terminate();
    this.running = [];
  }
}

let fed = 0;

async function feed(count: number): Promise<void> {
  const all: Promise<unknown>[] = [];
  for (const to = fed + count; fed < to; fed++) {
    const user = `u${fed % USERS}`;
    const value = Buffer.from(JSON.stringify({ id: `e${fed}`, user, amount: 1 }));
    const topic = `${servers.prefix}${fed % 3 === 0 ? "t.payments" : "t.deposits"}`;
    all.push(producer.publish({ topic, key: user, value }));
  }
  await Promise.all(all);
}

async function entries(): Promise<LedgerEntry[]> {
  const all: LedgerEntry[] = [];
  const topic = `${servers.prefix}t.entries`;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await reader.read({ topic, partition, from: "earliest", to: "end" }, (records) => {
      for (const { value } of records) all.push(JSON.parse(String(value)) as LedgerEntry);
    });
  }
  return all;
}

const allTasksRun = (...members: Member[]) =>
  until("every partition has one task", () => {
    const running = members.flatMap((member) => member.running);
    return running.length === PARTITIONS && new Set(running).size === PARTITIONS;
  });

test("threads share a state folder; partitions come and go between them, and every record counts once", () =>
  withStateDir(async (stateDir) => {
    const first = new Member("0", stateDir);
    await feed(1_000);
    await allTasksRun(first);
    const second = new Member("1", stateDir);
    await feed(1_000);
    await until("both have their share", () => first.running.length === 3);
    await allTasksRun(first, second);
    await feed(1_000);
    await second.stop();
    await feed(1_000);
    await allTasksRun(first);
    // Without a word to the group: the next one of that name leaves on its behalf.
    await first.kill();
    const third = new Member("0", stateDir);
    await feed(1_000);
    await allTasksRun(third);
    await until("all is written", async () => (await entries()).length >= fed);
    await third.stop();
    const all = await entries();
    assert.equal(all.length, fed);
    assert.equal(new Set(all.map(({ id }) => id)).size, fed);
    const largest = Math.max(...all.map(({ sum }) => sum));
    assert.equal(largest, fed / USERS);
  }));
