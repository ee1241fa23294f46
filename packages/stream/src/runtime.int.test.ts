import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { partitionOf } from "@vigie/core/keys";
import { type Logger, silentLogger } from "@vigie/core/log";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, test } from "vitest";
import { type KafkaAdmin, openAdmin } from "./kafka/admin.ts";
import { type KafkaClient, openKafka } from "./kafka/client.ts";
import { type LoneReader, openLoneReader } from "./kafka/lone-reader.ts";
import { openTransactionalProducer } from "./kafka/transactional-producer.ts";
import type { FetchedRecord, TopicMessages } from "./kafka/types.ts";
import type { Tally } from "./observer.ts";
import { type Fed, type Letter, runtimeBehaviours, type Stage } from "./runtime.suite.ts";
import { type RunningProcessor, startProcessor } from "./runtime.ts";
import { openState } from "./state/envelope.ts";
import { isReservedKey } from "./state/store.ts";
import { addTally, emptyTally } from "./task/tally.ts";
import {
  type LedgerEntry,
  type LedgerState,
  ledgerCodec,
  ledgerProcessor,
} from "./testing/ledger.ts";
import { silentObserver } from "./testing/lives.ts";
import { until } from "./testing/until.ts";

const PARTITIONS = 3;
const TOPICS = ["t.deposits", "t.payments", "t.orders", "t.entries"];

let servers: TestStack;
let client: KafkaClient;
let admin: KafkaAdmin;
let reader: LoneReader;

beforeAll(async () => {
  servers = await stack();
  client = openKafka({ brokers: [servers.kafka], clientId: "runtime-test", log: silentLogger });
  [admin, reader] = await Promise.all([openAdmin(client), openLoneReader(client)]);
});
afterAll(async () => {
  await Promise.all([admin?.close(), reader?.close()]);
  await servers?.close();
});

/** The ledger on the real broker, under a prefix of its own. */
class KafkaStage implements Stage {
  readonly nowMs = () => Date.now();
  private readonly prefix: string;
  private readonly stateDir: string;
  private readonly processingError: "stop" | "dlq";
  private readonly log: Logger;
  private readonly sum: Tally = emptyTally();
  private fed = 0;
  private running: RunningProcessor | null = null;
  private broken: Error | null = null;

  constructor(about: {
    prefix: string;
    stateDir: string;
    processingError: "stop" | "dlq";
    log: Logger;
  }) {
    this.log = about.log;
    this.prefix = about.prefix;
    this.stateDir = about.stateDir;
    this.processingError = about.processingError;
  }

  async feed(records: readonly Fed[]): Promise<void> {
    await this.produce(records);
    this.fed += records.length;
    await this.start();
    await until(`${this.fed} records are committed`, () => {
      if (this.broken !== null) throw this.broken;
      return this.sum.consumed === this.fed + this.sum.redirected;
    });
  }

  async setRate(rate: number): Promise<void> {
    const value = Buffer.from(JSON.stringify({ rate }));
    await this.write([
      { topic: `${this.prefix}t.rates`, messages: [{ key: "all", partition: 0, value }] },
    ]);
    // A table is followed, not awaited: start anew, so that the rate is there for certain.
    await this.restart(false);
  }

  async forgive(prefix: string): Promise<void> {
    const topic = `${this.prefix}t.amnesties`;
    await this.write([
      { topic, messages: [{ key: prefix, partition: 0, value: Buffer.from("{}") }] },
    ]);
  }

  async entries(): Promise<ReadonlyMap<string, readonly LedgerEntry[]>> {
    const entries = new Map<string, LedgerEntry[]>();
    for (const { key, value } of await this.read(`${this.prefix}t.entries`)) {
      const entry = JSON.parse(String(value)) as LedgerEntry;
      entries.set(String(key), [...(entries.get(String(key)) ?? []), entry]);
    }
    return entries;
  }

  async letters(): Promise<readonly Letter[]> {
    const topics = ["t.deposits", "t.payments", "t.orders"].map((t) => `${this.prefix}${t}.dlq`);
    const records = (await Promise.all(topics.map((topic) => this.read(topic)))).flat();
    return records.map(({ headers, key, topic, value }) => {
      const texts = headers.map(({ name, value: bytes }) => [name, String(bytes)] as const);
      const withoutPrefix = texts.map(([name, text]) => [name, text.replace(this.prefix, "")]);
      return { topic, key, value, headers: Object.fromEntries(withoutPrefix) };
    });
  }

  async states(): Promise<ReadonlyMap<string, LedgerState>> {
    const states = new Map<string, LedgerState>();
    for (const { key, value } of await this.read(`${this.prefix}vigie.ledger.changelog`)) {
      if (isReservedKey(String(key))) continue;
      if (value === null) states.delete(String(key));
      else states.set(String(key), openState(ledgerCodec, value));
    }
    return states;
  }

  async untilLast(key: string, id: string): Promise<void> {
    await until(`${id} is the last of ${key}`, async () => {
      return (await this.entries()).get(key)?.at(-1)?.id === id;
    });
  }

  tally(): Tally {
    return this.sum;
  }

  async restart(wiped: boolean): Promise<void> {
    await this.running?.stop();
    this.running = null;
    if (wiped) await rm(this.stateDir, { recursive: true, force: true });
    await this.start();
  }

  async close(): Promise<void> {
    await this.running?.stop();
    await rm(this.stateDir, { recursive: true, force: true });
  }

  private async start(): Promise<void> {
    if (this.running !== null) return;
    this.running = await startProcessor(ledgerProcessor(), {
      brokers: [servers.kafka],
      prefix: this.prefix,
      stateDir: this.stateDir,
      log: this.log,
      observer: { ...silentObserver, committed: ({ tally }) => addTally(this.sum, tally) },
      createInternalTopics: true,
      processingError: this.processingError,
    });
    void this.running.failed.then((error) => {
      this.broken = error;
    });
  }

  /** In one transaction: the processor sees all of them, or none yet. */
  private async produce(records: readonly Fed[]): Promise<void> {
    const topics = new Map<string, TopicMessages["messages"][number][]>();
    for (const { headers, key, partition, timestampMs, topic, value } of records) {
      const bytes =
        value === null || Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
      const messages = topics.get(topic) ?? [];
      messages.push({
        key,
        partition: partition ?? (key === null ? 0 : partitionOf(key, PARTITIONS)),
        value: bytes,
        ...(headers === undefined ? {} : { headers }),
        ...(timestampMs === undefined ? {} : { timestampMs }),
      });
      topics.set(topic, messages);
    }
    await this.write(
      [...topics].map(([topic, messages]) => ({ topic: this.prefix + topic, messages })),
    );
  }

  private async write(messages: readonly TopicMessages[]): Promise<void> {
    const producer = openTransactionalProducer(client, { transactionalId: `${this.prefix}feed` });
    await producer.init();
    await producer.commit({ messages, offsets: [], groupId: "none" });
    await producer.close();
  }

  private async read(topic: string): Promise<FetchedRecord[]> {
    const all: FetchedRecord[] = [];
    const partitions = (await admin.partitionCounts([topic])).get(topic) ?? 0;
    for (let partition = 0; partition < partitions; partition++) {
      const range = { topic, partition, from: "earliest", to: "end" } as const;
      await reader.read(range, (records) => void all.push(...records));
    }
    return all;
  }
}

test("kafka: a store that was closed in order stands at the end of its changelog", async () => {
  const restored: object[] = [];
  const log = {
    ...silentLogger,
    info: (fields: object, event: string) => {
      if (event === "task.restored") restored.push(fields);
    },
  };
  const stage = await openStage("stop", log);
  const event = { id: "e1", user: "ada", amount: 1 };
  try {
    await stage.feed([{ topic: "t.deposits", key: "ada", value: event }]);
    await until("all tasks have a store", () => restored.length === PARTITIONS);
    restored.length = 0;
    await stage.restart(false);
    await until("all tasks are restored", () => restored.length === PARTITIONS);
    for (const fields of restored as { from: number; end: number; rebuilt: boolean }[]) {
      assert.equal(fields.from, fields.end);
      assert.equal(fields.rebuilt, false);
    }
  } finally {
    await stage.close();
  }
});

let stages = 0;

async function openStage(processingError: "stop" | "dlq", log = silentLogger): Promise<KafkaStage> {
  stages += 1;
  const prefix = `${servers.prefix}${stages}.`;
  const inputs = TOPICS.map((topic) => ({ topic: prefix + topic, partitions: PARTITIONS }));
  const globals = ["t.rates", "t.amnesties"].map((topic) => ({
    topic: prefix + topic,
    partitions: 1,
  }));
  await admin.createTopics([...inputs, ...globals]);
  const stateDir = await mkdtemp(join(tmpdir(), "vigie-runtime-"));
  return new KafkaStage({ prefix, stateDir, processingError, log });
}

for (const [name, { lenient, run }] of Object.entries(runtimeBehaviours)) {
  test(`kafka: ${name}`, async () => {
    const stage = await openStage(lenient ? "dlq" : "stop");
    try {
      await run(stage);
    } finally {
      await stage.close();
    }
  });
}
