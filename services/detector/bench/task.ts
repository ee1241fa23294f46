import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { toChunk } from "@vigie/stream/kafka/protocol";
import { encodeBatch } from "@vigie/stream/kafka/record-batch";
import { toRounds } from "@vigie/stream/kafka/sender";
import type { OutgoingMessage } from "@vigie/stream/kafka/types";
import { LmdbStore } from "@vigie/stream/lmdb/lmdb-store";
import type { AnyProcessor } from "@vigie/stream/processor";
import type { CommitPlan } from "@vigie/stream/task/commit-plan";
import { Task } from "@vigie/stream/task/task";
import { createDetector } from "../src/app.ts";
import { GeoIpDatabases } from "../src/geoip/databases.ts";
import { geoPaths, openShared, readGeoFiles } from "../src/geoip/files.ts";
import { workload } from "./workload.ts";

/**
 * CPU time an event of one task of the detector, without a broker: from the bytes of a fetch by way of an LMDB store
 * to the bytes of the changelog. The defaults are one partition's share of a million events and 100,000 users.
 * Run: node bench/task.ts [--events 166000] [--users 16600] [--passes 3]; with --cpu-prof for a profile.
 */
const { values: args } = parseArgs({
  options: {
    events: { type: "string", default: "166000" },
    users: { type: "string", default: "16600" },
    passes: { type: "string", default: "3" },
  },
});
/** Records of a fetch of some 340 KiB; of a commit, and states kept, as the service has them. */
const CHUNK_RECORDS = 600;
const COMMIT_RECORDS = 4_000;
const CACHE_ENTRIES = 2_000;
const UNBOUND = { producerId: 1, producerEpoch: 0, baseSequence: 0, transactional: false };

const codecs = memoryCodecs();
const files = await readGeoFiles(geoPaths({ cityPath: null, asnPath: null }));
const geoip = new GeoIpDatabases(openShared(files));
const fetches = fetchesOf(Number(args.events), Number(args.users));
/** How many records each topic holds: the merge waits for what is still to come. */
const ends = new Map<string, number>();
for (const { topic, count } of fetches) ends.set(topic, (ends.get(topic) ?? 0) + count);

interface Fetch {
  readonly topic: string;
  readonly count: number;
  readonly recordSet: Buffer;
}

/** The workload as the record sets that a broker would send, in the order of their first events. */
function fetchesOf(events: number, users: number): Fetch[] {
  const made: Fetch[] = [];
  const open = new Map<string, OutgoingMessage[]>();
  const close = (topic: string, messages: readonly OutgoingMessage[]): void => {
    if (messages.length === 0) return;
    const recordSet = encodeBatch(messages, UNBOUND, { nowMs: 0 });
    made.push({ topic, count: messages.length, recordSet });
    open.set(topic, []);
  };
  for (const { topic, key, timestampMs, value } of workload(codecs, { events, users, seed: 1 })) {
    const messages = open.get(topic) ?? [];
    open.set(topic, messages);
    messages.push({ partition: 0, key, value, timestampMs });
    if (messages.length === CHUNK_RECORDS) close(topic, messages);
  }
  for (const [topic, messages] of open) close(topic, messages);
  return made;
}

function newTask(store: LmdbStore): Task {
  const limits = { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: 5 * MINUTE_MS };
  const processor = createDetector({ codecs, geoip, log: silentLogger, ...limits });
  return new Task(processor as AnyProcessor, store, {
    partition: 0,
    partitionsOf: () => 1,
    absent: new Set(["id.geo"]),
    lookup: () => undefined,
    isEmpty: () => true,
    changeAfter: () => null,
    maxTaskIdleMs: Number.POSITIVE_INFINITY,
    cacheEntriesMax: CACHE_ENTRIES,
    commitRecordsMax: COMMIT_RECORDS,
    processingError: "stop",
  });
}

/** What the committer does, but for sending. */
async function commit(task: Task, plan: CommitPlan, store: LmdbStore): Promise<number> {
  const messages: OutgoingMessage[] = [];
  for (const [key, value] of plan.changelog) messages.push({ partition: 0, key, value });
  let bytes = 0;
  for (const batch of toRounds([{ topic: "changelog", messages }]).flat()) {
    bytes += encodeBatch(batch.messages, UNBOUND, { nowMs: 0 }).length;
  }
  const at = { clusterId: "bench", changelogOffset: 0, inputOffsets: {}, writtenAtMs: 0 };
  await store.write(plan.changelog, at);
  task.landed();
  return bytes;
}

async function pass() {
  const directory = await mkdtemp(join(tmpdir(), "vigie-bench-"));
  const store = await LmdbStore.open(directory, { wakes: false });
  const task = newTask(store);
  const positions = new Map<string, number>();
  const before = process.cpuUsage();
  let [events, emitted, bytes] = [0, 0, 0];
  let committing = Promise.resolve(0);
  const next = async (): Promise<void> => {
    bytes += await committing;
    const plan = task.plan();
    events += plan.tally.ok;
    emitted += Object.values(plan.emitted).reduce((sum, count) => sum + count, 0);
    committing = commit(task, plan, store);
  };
  for (const { topic, recordSet } of fetches) {
    const from = positions.get(topic) ?? 0;
    const chunk = toChunk(fetched(topic, recordSet), 0);
    positions.set(topic, from + chunk.records.length);
    task.queue(topic).push(chunk.records, from + chunk.records.length, ends.get(topic) ?? 0);
    while (task.run(() => 0, Number.POSITIVE_INFINITY).kind === "full") await next();
  }
  await next();
  bytes += await committing;
  const { user, system } = process.cpuUsage(before);
  await store.close();
  await rm(directory, { recursive: true });
  return {
    microsAnEvent: Math.round((user + system) / (events / 100)) / 100,
    userOnly: Math.round(user / (events / 100)) / 100,
    events,
    anomalies: emitted,
    changelogBytes: Math.round(bytes / events),
  };
}

const fetched = (topic: string, recordSet: Buffer) => ({
  topic,
  partition: 0,
  errorCode: 0,
  highWatermark: 0,
  lastStableOffset: 0,
  logStartOffset: 0,
  aborted: [],
  recordSet,
});

const passes: Awaited<ReturnType<typeof pass>>[] = [];
for (let i = 0; i < Number(args.passes); i++) passes.push(await pass());
console.table(passes);
