import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { silentLogger } from "@vigie/core/log";
import { ok } from "@vigie/core/outcome";
import { openAdmin } from "../src/kafka/admin.ts";
import { openKafka } from "../src/kafka/client.ts";
import { openLoneReader } from "../src/kafka/lone-reader.ts";
import { openBatchingProducer } from "../src/kafka/producer.ts";
import type { Input, Processor } from "../src/processor.ts";
import { startProcessor } from "../src/runtime.ts";

/**
 * Times records from before they are produced until what they bring about can be read committed, at a given rate.
 * Run: node bench/latency.ts --brokers HOST:PORT [--perS 100] [--seconds 10]
 */
const { values: args } = parseArgs({
  options: {
    brokers: { type: "string", default: "127.0.0.1:9092" },
    perS: { type: "string", default: "100" },
    seconds: { type: "string", default: "10" },
  },
});
const PER_S = Number(args.perS);
const RECORDS = PER_S * Number(args.seconds);
const PARTITIONS = 6;
const TOPICS = ["b.one", "b.two", "b.three"];

const input = (topic: string): Input<Uint8Array> => ({
  topic,
  order: "merged",
  misplaced: "drop",
  decoder: { decode: ok },
  admit: ({ value }) => ok(value),
});

/** Sends every value on, and keeps the newest. */
const echo: Processor<Uint8Array, Uint8Array, "out"> = {
  name: "latency",
  inputs: TOPICS.map(input),
  outputs: { out: { topic: "b.out", encoder: { encode: (value: Buffer) => value } } },
  globals: {},
  state: { version: 1, encode: (state) => state, decode: (bytes) => Buffer.from(bytes) },
  process: ({ key, value }) =>
    ok({ state: Buffer.from(value), emit: [{ output: "out", key, value }] }),
};

const quantile = (sorted: readonly number[], q: number): number =>
  Math.round((sorted[Math.floor(sorted.length * q)] ?? Number.NaN) * 10) / 10;

const brokers = args.brokers.split(",");
const prefix = `latency${Date.now()}.`;
const client = openKafka({ brokers, clientId: "latency", log: silentLogger });
const admin = await openAdmin(client);
const topics = [...TOPICS, "b.out"].map((topic) => prefix + topic);
await admin.createTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS })));
const stateDir = await mkdtemp(join(tmpdir(), "vigie-latency-"));
const commitMs: number[] = [];
const running = await startProcessor(echo, {
  brokers,
  prefix,
  stateDir,
  log: silentLogger,
  observer: {
    committed: (event) => commitMs.push(event.commitMs),
    lag() {},
    restoring() {},
    dependency() {},
    task() {},
  },
  createInternalTopics: true,
});
const reader = await openLoneReader(client);
const taken: number[] = [];
const done = Promise.withResolvers<void>();
const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);
await reader.follow(
  all.map((partition) => ({ topic: `${prefix}b.out`, partition, from: 0 })),
  {
    records: (records) => {
      const nowMs = performance.now();
      for (const { value } of records) taken.push(nowMs - (value?.readDoubleLE(0) ?? 0));
      if (taken.length >= RECORDS) done.resolve();
    },
    failed: (error) => done.reject(error),
  },
);
const producer = await openBatchingProducer(client, { lingerMs: 0 });
let sent = 0;
const timer = setInterval(() => {
  const value = Buffer.alloc(350);
  value.writeDoubleLE(performance.now(), 0);
  const topic = prefix + (TOPICS[sent % 3] as string);
  void producer.publish({ topic, key: `acme|user-${(sent * 7_919) % 1_000}`, value });
  sent += 1;
  if (sent >= RECORDS) clearInterval(timer);
}, 1_000 / PER_S);
await done.promise;
const cpu = process.cpuUsage();
// The first second warms up connections and code.
const sorted = taken.slice(PER_S).sort((a, b) => a - b);
const commits = commitMs.sort((a, b) => a - b);
console.log(
  JSON.stringify({
    perS: PER_S,
    records: sorted.length,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    commitP50Ms: quantile(commits, 0.5),
    commitP99Ms: quantile(commits, 0.99),
    commits: commits.length,
    cpuS: Math.round((cpu.user + cpu.system) / 1e5) / 10,
  }),
);
await running.stop();
await producer.close();
await reader.close();
await rm(stateDir, { recursive: true, force: true });
const own = TOPICS.map((topic) => `${prefix}${topic}.dlq`);
await admin.deleteTopics([...topics, ...own, `${prefix}vigie.latency.changelog`]);
await admin.close();
