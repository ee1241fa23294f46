import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { partitionOf } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { ok } from "@vigie/core/outcome";
import { openAdmin } from "../src/kafka/admin.ts";
import { type KafkaClient, openKafka } from "../src/kafka/client.ts";
import { openTransactionalProducer } from "../src/kafka/transactional-producer.ts";
import type { OutgoingMessage } from "../src/kafka/types.ts";
import type { StreamObserver } from "../src/observer.ts";
import type { Input, Processor } from "../src/processor.ts";
import { startProcessor } from "../src/runtime.ts";

/**
 * Times the exactly-once loop with next to no work (350-byte values, 3 inputs, state and changelog for every record)
 * and plain kafkajs consumption of the same topics beside it.
 * Run: node bench/loop.ts --brokers HOST:PORT [--records 600000] [--users 100000] [--profile FILE.cpuprofile]
 */
const { values: args } = parseArgs({
  options: {
    brokers: { type: "string", default: "127.0.0.1:9092" },
    records: { type: "string", default: "600000" },
    users: { type: "string", default: "100000" },
    skipRaw: { type: "boolean", default: false },
    commitRecords: { type: "string", default: "1000" },
    profile: { type: "string" },
    stateBytes: { type: "string", default: "300" },
  },
});
const RECORDS = Number(args.records);
const USERS = Number(args.users);
const STATE_BYTES = Number(args.stateBytes);
const PARTITIONS = 6;
const VALUE_BYTES = 350;
const TOPICS = ["b.one", "b.two", "b.three"];

interface Counted {
  readonly count: number;
}

const input = (topic: string): Input<Uint8Array> => ({
  topic,
  order: "merged",
  misplaced: "drop",
  decoder: { decode: ok },
  admit: ({ value }) => ok(value),
});

const counter: Processor<Counted, Uint8Array, "out"> = {
  name: "bench",
  inputs: TOPICS.map(input),
  outputs: { out: { topic: "b.out", encoder: { encode: () => Buffer.from("out") } } },
  globals: {},
  state: {
    version: 1,
    encode: ({ count }) => {
      const bytes = Buffer.alloc(STATE_BYTES);
      bytes.writeDoubleLE(count, 0);
      return bytes;
    },
    decode: (bytes) => ({
      count: new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true),
    }),
  },
  process: (record, state) => {
    const count = (state?.count ?? 0) + 1;
    const emit =
      record.offset % 2_000 === 0
        ? [{ output: "out" as const, key: record.key, value: count }]
        : [];
    return ok({ state: { count }, emit });
  },
};

async function preload(client: KafkaClient, prefix: string): Promise<void> {
  const producer = openTransactionalProducer(client, { transactionalId: `${prefix}load` });
  await producer.init();
  const value = Buffer.alloc(VALUE_BYTES, 7);
  const startedMs = Date.now();
  for (let from = 0; from < RECORDS; from += 6_000) {
    const messages = new Map<string, OutgoingMessage[]>(TOPICS.map((topic) => [topic, []]));
    for (let at = from; at < Math.min(RECORDS, from + 6_000); at++) {
      const key = `acme|user-${(at * 7_919) % USERS}`;
      const topic = TOPICS[at % 10 < 6 ? 0 : at % 10 < 9 ? 1 : 2] as string;
      const partition = partitionOf(key, PARTITIONS);
      messages.get(topic)?.push({ key, partition, value, timestampMs: startedMs + at });
    }
    const batch = [...messages].map(([topic, list]) => ({ topic: prefix + topic, messages: list }));
    await producer.commit({ messages: batch, offsets: [], groupId: `${prefix}load` });
  }
  await producer.close();
}

interface Timing {
  readonly perS: number;
  readonly secondHalfPerS: number;
  readonly cpuUsPerRecord: number;
}

/** Counts records until all are there; rates from the first on. */
function stopwatch(): { add: (records: number) => void; done: Promise<Timing> } {
  const { promise, resolve } = Promise.withResolvers<Timing>();
  let seen = 0;
  let firstMs = 0;
  let halfMs = 0;
  let cpu = process.cpuUsage();
  return {
    done: promise,
    add: (records) => {
      if (seen === 0) {
        firstMs = performance.now();
        cpu = process.cpuUsage();
      }
      seen += records;
      if (halfMs === 0 && seen >= RECORDS / 2) halfMs = performance.now();
      if (seen < RECORDS) return;
      const now = performance.now();
      const used = process.cpuUsage(cpu);
      resolve({
        perS: Math.round((seen * 1_000) / (now - firstMs)),
        secondHalfPerS: Math.round((seen * 500) / (now - halfMs)),
        cpuUsPerRecord: Math.round(((used.user + used.system) * 10) / seen) / 10,
      });
    },
  };
}

async function timeRaw(client: KafkaClient, prefix: string): Promise<Timing> {
  const watch = stopwatch();
  const consumer = client.kafkajs.consumer({ groupId: `${prefix}raw`, maxWaitTimeInMs: 50 });
  await consumer.connect();
  await consumer.subscribe({ topics: TOPICS.map((topic) => prefix + topic), fromBeginning: true });
  await consumer.run({
    eachBatch: async ({ batch }) => watch.add(batch.messages.length),
    autoCommitInterval: 1_000,
  });
  const timing = await watch.done;
  await consumer.disconnect();
  return timing;
}

/** Records a CPU profile of `work` where one is asked for. */
async function profiled<T>(work: () => Promise<T>): Promise<T> {
  if (args.profile === undefined) return work();
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  const result = await work();
  const { profile } = await session.post("Profiler.stop");
  await writeFile(args.profile, JSON.stringify(profile));
  return result;
}

/** Memory that is not backed by files: what a process costs. Linux only; NaN elsewhere. */
function anonymousMb(): number {
  try {
    const kib = /RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return Math.round(Number(kib) / 1_024);
  } catch {
    return Number.NaN;
  }
}

async function timeLoop(
  brokers: string[],
  prefix: string,
): Promise<Timing & { rssAnonMb: number }> {
  const watch = stopwatch();
  const stateDir = await mkdtemp(join(tmpdir(), "vigie-bench-"));
  const commits = { count: 0, ms: 0, processMs: 0 };
  const observer: StreamObserver = {
    committed: ({ tally, commitMs, processMs }) => {
      commits.count += 1;
      commits.ms += commitMs;
      commits.processMs += processMs;
      watch.add(tally.consumed);
    },
    lag() {},
    restoring() {},
    dependency() {},
    task() {},
  };
  const running = await startProcessor(counter, {
    brokers,
    prefix,
    stateDir,
    observer,
    log: { ...silentLogger, warn: console.warn, error: console.error, fatal: console.error },
    createInternalTopics: true,
    commitRecordsMax: Number(args.commitRecords),
  });
  const timing = await watch.done;
  const rssAnonMb = anonymousMb();
  const perCommit = Math.round(RECORDS / commits.count);
  console.error({
    perCommit,
    commitMs: Math.round(commits.ms / commits.count),
    processUs: Math.round((commits.processMs * 10_000) / RECORDS) / 10,
  });
  await running.stop();
  await rm(stateDir, { recursive: true, force: true });
  return { ...timing, rssAnonMb };
}

const brokers = args.brokers.split(",");
const prefix = `bench${Date.now()}.`;
const client = openKafka({ brokers, clientId: "bench", log: silentLogger });
const admin = await openAdmin(client);
const topics = [...TOPICS, "b.out"].map((topic) => prefix + topic);
await admin.createTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS })));
try {
  await preload(client, prefix);
  const raw = args.skipRaw ? null : await timeRaw(client, prefix);
  const loop = await profiled(() => timeLoop(brokers, prefix));
  const ratio = raw === null ? null : Math.round((loop.perS / raw.perS) * 100) / 100;
  console.log(JSON.stringify({ records: RECORDS, users: USERS, raw, loop, ratio }));
} finally {
  const own = TOPICS.map((topic) => `${prefix}${topic}.dlq`);
  await admin.deleteTopics([...topics, ...own, `${prefix}vigie.bench.changelog`]);
  await admin.close();
}
