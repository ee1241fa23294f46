import { createRequire } from "node:module";
import { VigError } from "@vigie/core/errors";

const load = createRequire(import.meta.url);

/** The repairs know this version line by line; another one must be read first. */
const VERSION = "2.2.4";

export type RepairName =
  | "aborted-records"
  | "group-messages"
  | "request-queue"
  | "request-copies"
  | "connect-once";

type Callable = (...args: never[]) => unknown;

interface LogLikeMessage {
  readonly offset: string;
  readonly key: Buffer | null;
  readonly isControlRecord?: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

interface ListedTransaction {
  readonly producerId: string;
  readonly firstOffset: string;
}

const isAbort = (message: LogLikeMessage): boolean =>
  message.isControlRecord === true &&
  message.key !== null &&
  message.key.length >= 4 &&
  message.key.readInt16BE(2) === 0;

/**
 * kafkajs looks only at the head of the list of aborted transactions, one entry a message, so that records of a
 * second aborted producer slip through; and it takes any record with key 00000000 for an abort marker.
 * Here: every entry up to the message's offset counts, and only control records end one.
 */
export function filterAbortedMessages<M extends LogLikeMessage>(fetched: {
  readonly messages: readonly M[];
  readonly abortedTransactions?: readonly ListedTransaction[] | null;
}): readonly M[] {
  const listed = fetched.abortedTransactions;
  if (listed === undefined || listed === null || listed.length === 0) return fetched.messages;
  const ahead = [...listed].sort((a, b) => Number(BigInt(b.firstOffset) - BigInt(a.firstOffset)));
  const open = new Set<string>();
  return fetched.messages.filter((message) => {
    const offset = BigInt(message.offset);
    let next = ahead.at(-1);
    while (next !== undefined && BigInt(next.firstOffset) <= offset) {
      open.add(next.producerId);
      ahead.pop();
      next = ahead.at(-1);
    }
    const { producerId, inTransaction } = message.batchContext;
    if (isAbort(message)) open.delete(producerId);
    else if (message.isControlRecord !== true) return !(inTransaction && open.has(producerId));
    return true;
  });
}

interface Grouping<M> {
  readonly topic: string;
  readonly partitionMetadata: readonly unknown[];
  readonly messages: readonly M[];
  readonly partitioner: (about: {
    topic: string;
    partitionMetadata: readonly unknown[];
    message: M;
  }) => number;
}

/** kafkajs copies the partition's array for every message: quadratic, 26 % of the time at 1,000 messages. */
export function groupMessagesPerPartition<M>(grouping: Grouping<M>): Record<number, M[]> {
  const { topic, partitionMetadata, messages, partitioner } = grouping;
  const groups: Record<number, M[]> = {};
  if (partitionMetadata.length === 0) return groups;
  for (const message of messages) {
    const partition = partitioner({ topic, partitionMetadata, message });
    const group = groups[partition];
    if (group === undefined) groups[partition] = [message];
    else group.push(message);
  }
  return groups;
}

/** What the repair of the request queue touches. */
export interface QueueState {
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  throttledUntil: number;
  readonly pending: readonly unknown[];
  checkPendingRequests(): void;
}

/**
 * kafkajs sets a timer after every response, with a negative time (a warning each) and so every millisecond for
 * ever. Only a throttled queue needs one: a queue at its in-flight limit is looked at with each response.
 */
export function scheduleCheckPendingRequests(this: QueueState): void {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
  const waitMs = Math.max(1, this.throttledUntil - Date.now());
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, waitMs);
}

interface RequestToEncode {
  readonly correlationId: number;
  readonly clientId: string;
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    encode(): Promise<EncodedPayload>;
  };
}

/** `framed` is the same bytes with room for the request's header before them: then nothing is copied. */
export interface EncodedPayload {
  readonly buffer: Buffer;
  readonly framed?: Buffer;
}

/** Length, key, version, correlation id, length of the client id. Source: Kafka protocol, request header version 1. */
const HEADER_BYTES = 14;

/** kafkajs copies a request's payload twice through growing, zero-filled buffers; here once at most. */
export async function createRequest(about: RequestToEncode): Promise<{ readonly buffer: Buffer }> {
  const { buffer: payload, framed } = await about.request.encode();
  const client = Buffer.from(about.clientId, "utf8");
  const bytes = HEADER_BYTES + client.length + payload.length;
  const inPlace = framed !== undefined && framed.length >= bytes;
  const buffer = inPlace ? framed.subarray(framed.length - bytes) : Buffer.allocUnsafe(bytes);
  buffer.writeInt32BE(buffer.length - 4, 0);
  buffer.writeInt16BE(about.request.apiKey, 4);
  buffer.writeInt16BE(about.request.apiVersion, 6);
  buffer.writeInt32BE(about.correlationId, 8);
  buffer.writeInt16BE(client.length, 12);
  buffer.set(client, HEADER_BYTES);
  if (!inPlace) buffer.set(payload, HEADER_BYTES + client.length);
  return { buffer };
}

/** A module of kafkajs whose whole export is replaced, before anything that uses it is loaded. */
function replaceModule(path: string, replacement: Callable): void {
  const file = load.resolve(`kafkajs/src/${path}`);
  const original: unknown = load(file);
  if (typeof original !== "function") throw unfit(`${path} does not export a function`);
  const cached = load.cache[file];
  if (cached === undefined) throw unfit(`${path} is not in the module cache`);
  cached.exports = replacement;
}

function replaceMethod(path: string, name: string, make: (original: Callable) => Callable): void {
  const owner = load(`kafkajs/src/${path}`) as { prototype?: Record<string, unknown> };
  const original = owner.prototype?.[name];
  if (owner.prototype === undefined || typeof original !== "function") {
    throw unfit(`${path} has no method ${name}`);
  }
  owner.prototype[name] = make(original as Callable);
}

/** Two requests on a closed connection open two sockets, one of which is lost; the second waits for the first instead. */
function connectOnce(original: Callable): Callable {
  const connecting = new WeakMap<object, Promise<unknown>>();
  const connect = original as (this: object) => Promise<unknown>;
  return function connectShared(this: object): Promise<unknown> {
    const running = connecting.get(this);
    if (running !== undefined) return running;
    const attempt = connect.call(this).finally(() => connecting.delete(this));
    connecting.set(this, attempt);
    return attempt;
  };
}

const repairs: Record<RepairName, () => void> = {
  "aborted-records": () =>
    replaceModule("consumer/filterAbortedMessages.js", filterAbortedMessages as Callable),
  "group-messages": () =>
    replaceModule("producer/groupMessagesPerPartition.js", groupMessagesPerPartition as Callable),
  "request-copies": () => replaceModule("protocol/request.js", createRequest as Callable),
  "request-queue": () =>
    replaceMethod(
      "network/requestQueue/index.js",
      "scheduleCheckPendingRequests",
      () => scheduleCheckPendingRequests as Callable,
    ),
  "connect-once": () => replaceMethod("network/connection.js", "connect", connectOnce),
};

const unfit = (why: string): VigError => new VigError("VIG_KAFKA_CLIENT_UNFIT", { why });

let applied = false;

/**
 * Repairs the loaded kafkajs, once a process. Whole modules first, since their users take a copy when they load.
 * `except` leaves one repair out, so that a test can show what it is good for; nothing else passes it.
 * Throws: VIG_KAFKA_CLIENT_UNFIT when kafkajs has another version, was loaded before, or lacks what is repaired.
 */
export function applyRepairs(options: { readonly except?: RepairName } = {}): void {
  if (applied) return;
  const about = load("kafkajs/package.json") as { version: string };
  if (about.version !== VERSION) throw unfit(`version ${about.version}, expected ${VERSION}`);
  if (load.cache[load.resolve("kafkajs")] !== undefined) {
    throw unfit("it was loaded before it could be repaired");
  }
  for (const [name, repair] of Object.entries(repairs)) {
    if (name !== options.except) repair();
  }
  applied = true;
}
