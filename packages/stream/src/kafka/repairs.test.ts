import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { test, vi } from "vitest";
import { groupMessagesPerPartition, type RepairName } from "./repairs.ts";

/** Each test starts two processes, which takes its time on a machine that runs other tests beside. */
vi.setConfig({ testTimeout: 30_000 });

const repairsUrl = new URL("./repairs.ts", import.meta.url).href;

/** Runs `body` in a process of its own, with kafkajs repaired except for one repair; gives what it prints. */
function inProcess(except: RepairName | null, body: string): string {
  const script = `
    import { createRequire } from "node:module";
    import { applyRepairs } from ${JSON.stringify(repairsUrl)};
    const load = createRequire(${JSON.stringify(import.meta.url)});
    applyRepairs(${except === null ? "" : JSON.stringify({ except })});
    ${body}
  `;
  const args = ["--input-type=module", "--eval", script];
  return execFileSync(process.execPath, args, { encoding: "utf8" }).trim();
}

/** A guard is only worth something if it fails without: each body prints `good` with the repair, else not. */
function repairedOnly(name: RepairName, body: string, good: string): void {
  assert.equal(inProcess(null, body), good);
  assert.notEqual(inProcess(name, body), good);
}

test("aborted-records: kafkajs's consumer filters by the repaired function", () => {
  repairedOnly(
    "aborted-records",
    `const Batch = load("kafkajs/src/consumer/batch");
    const of = (offset, producerId) => ({ offset: String(offset), key: Buffer.from("k"),
      batchContext: { producerId, inTransaction: true } });
    const batch = new Batch("t", "0", { partition: 0, highWatermark: "9",
      abortedTransactions: [{ producerId: "2", firstOffset: "1" }, { producerId: "1", firstOffset: "0" }],
      messages: [of(0, "1"), of(1, "2"), of(2, "3")] });
    console.log(batch.messages.map((message) => message.offset).join());`,
    "2",
  );
});

test("group-messages: kafkajs's producer groups by the repaired function", () => {
  repairedOnly(
    "group-messages",
    `const group = load("kafkajs/src/producer/groupMessagesPerPartition");
    const messages = Array.from({ length: 20_000 }, () => ({}));
    let arrays = 0;
    const from = Array.prototype[Symbol.iterator];
    Array.prototype[Symbol.iterator] = function () { arrays += 1; return from.call(this); };
    group({ topic: "t", partitionMetadata: [{}], messages: messages.slice(0, 500), partitioner: () => 0 });
    Array.prototype[Symbol.iterator] = from;
    console.log(arrays < 10 ? "few copies" : "a copy a message");`,
    "few copies",
  );
});

test("request-queue: an idle queue sets no timer and warns of nothing", () => {
  repairedOnly(
    "request-queue",
    `const Queue = load("kafkajs/src/network/requestQueue");
    const logger = { debug() {}, warn() {} };
    const queue = new Queue({ maxInFlightRequests: null, requestTimeout: 1_000, clientId: "c",
      enforceRequestTimeout: true, broker: "b", logger });
    let timers = 0;
    globalThis.setTimeout = () => { timers += 1; };
    queue.fulfillRequest({ correlationId: 1, payload: null, size: 0 });
    console.log(timers);
    process.exit(0);`,
    "0",
  );
});

test("request-queue: a throttled queue is looked at again when the throttle ends", () => {
  const body = `const Queue = load("kafkajs/src/network/requestQueue");
    const queue = new Queue({ maxInFlightRequests: null, requestTimeout: 1_000, clientId: "c",
      enforceRequestTimeout: true, broker: "b", logger: { debug() {}, warn() {} } });
    queue.maybeThrottle(30);
    const began = Date.now();
    queue.push({ entry: { correlationId: 1 }, expectResponse: true,
      sendRequest: () => console.log(Date.now() - began >= 29) });
    if (queue.pending.length !== 1) console.log("not throttled");`;
  assert.equal(inProcess(null, body), "true");
});

test("request-copies: a request's bytes are those that kafkajs makes", () => {
  const body = `const createRequest = load("kafkajs/src/protocol/request.js");
    const Encoder = load("kafkajs/src/protocol/encoder");
    const encode = async () => new Encoder().writeString("payload").writeInt64(7);
    const request = { apiKey: 3, apiVersion: 4, encode };
    const made = await createRequest({ correlationId: 9, clientId: "vigié", request });
    const parts = made.buffer.buffer.byteLength === made.buffer.length || made.buf === undefined;
    console.log(made.buffer.toString("hex"), parts ? "exact" : "grown");`;
  const [bytes, size] = inProcess(null, body).split(" ");
  const [theirBytes, theirSize] = inProcess("request-copies", body).split(" ");
  assert.equal(bytes, theirBytes);
  assert.deepEqual([size, theirSize], ["exact", "grown"]);
});

test("connect-once: two requests on a closed connection open one socket", () => {
  repairedOnly(
    "connect-once",
    `const Connection = load("kafkajs/src/network/connection");
    const { EventEmitter } = await import("node:events");
    const logger = { namespace: () => logger, debug() {}, error() {}, warn() {} };
    let sockets = 0;
    const socketFactory = ({ onConnect }) => {
      sockets += 1;
      setImmediate(onConnect);
      return Object.assign(new EventEmitter(), { end() {}, unref() {} });
    };
    const connection = new Connection({ host: "h", port: 1, logger, socketFactory,
      requestTimeout: 1_000, connectionTimeout: 1_000 });
    await Promise.all([connection.connect(), connection.connect()]);
    console.log(sockets);
    process.exit(0);`,
    "1",
  );
});

test("repairs are refused when kafkajs was loaded before them", () => {
  const script = `
    import { createRequire } from "node:module";
    createRequire(${JSON.stringify(import.meta.url)})("kafkajs");
    const { applyRepairs } = await import(${JSON.stringify(repairsUrl)});
    try { applyRepairs(); } catch (error) { console.log(error.code); }
  `;
  const args = ["--input-type=module", "--eval", script];
  const printed = execFileSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(printed.trim(), "VIG_KAFKA_CLIENT_UNFIT");
});

test("grouping keeps order and is what kafkajs makes of it", () => {
  const load = createRequire(import.meta.url);
  const original = load("kafkajs/src/producer/groupMessagesPerPartition") as (
    about: object,
  ) => unknown;
  const messages = Array.from({ length: 50 }, (_, i) => ({ i }));
  const partitioner = ({ message }: { message: { i: number } }) => (message.i * 7) % 4;
  const about = { topic: "t", partitionMetadata: [{}], messages, partitioner };
  assert.deepEqual(groupMessagesPerPartition(about), original(about));
  assert.deepEqual(groupMessagesPerPartition({ ...about, partitionMetadata: [] }), {});
});
