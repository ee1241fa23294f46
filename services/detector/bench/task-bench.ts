import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import type { PolicyOverlay } from "@vigie/core/policy";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { GeoIpDatabases } from "@vigie/geoip/databases";
import { geoPaths, openShared, readGeoFiles } from "@vigie/geoip/files";
import type { GeoIp } from "@vigie/geoip/geoip";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { toChunk } from "@vigie/stream/kafka/protocol";
import { encodeBatch } from "@vigie/stream/kafka/record-batch";
import { toRounds } from "@vigie/stream/kafka/sender";
import type { OutgoingMessage } from "@vigie/stream/kafka/types";
import type { AnyProcessor } from "@vigie/stream/processor";
import { SegmentStore } from "@vigie/stream/segments/segment-store";
import { ENVELOPE_HEADER_BYTES } from "@vigie/stream/state/envelope";
import { isReservedKey } from "@vigie/stream/state/store";
import type { CommitPlan } from "@vigie/stream/task/commit-plan";
import { Task } from "@vigie/stream/task/task";
import { createDetector } from "../src/app.ts";
import { workload } from "./workload.ts";

/** Records of a fetch of some 340 KiB; of a commit, and states kept, as the service has them. */
const CHUNK_RECORDS = 600;
const COMMIT_RECORDS = 4_000;
const CACHE_ENTRIES = 2_000;
const UNBOUND = { producerId: 1, producerEpoch: 0, baseSequence: 0, transactional: false };

interface Fetch {
  readonly topic: string;
  readonly count: number;
  readonly recordSet: Buffer;
}

export interface TaskFigures {
  readonly microsAnEvent: number;
  readonly userOnly: number;
  readonly events: number;
  readonly anomalies: number;
  /** An event. */
  readonly changelogBytes: number;
  /** Of users, at the end. */
  readonly stateMedian: number;
  readonly stateP99: number;
  readonly stateMax: number;
  /** Of all that belongs to no user. */
  readonly aggregateBytes: number;
}

/** One task of the detector without a broker: from the bytes of a fetch by way of its store to those of the changelog. */
export class TaskBench {
  private readonly codecs = memoryCodecs();
  private readonly geoip: GeoIp;
  private readonly fetches: readonly Fetch[];
  /** How many records each topic holds: the merge waits for what is still to come. */
  private readonly ends = new Map<string, number>();

  private constructor(geoip: GeoIp, size: { readonly events: number; readonly users: number }) {
    this.geoip = geoip;
    this.fetches = this.fetchesOf(size);
    for (const { topic, count } of this.fetches) {
      this.ends.set(topic, (this.ends.get(topic) ?? 0) + count);
    }
  }

  static async open(size: { readonly events: number; readonly users: number }): Promise<TaskBench> {
    const files = await readGeoFiles(geoPaths({ cityPath: null, asnPath: null }));
    return new TaskBench(new GeoIpDatabases(openShared(files)), size);
  }

  /** One pass over the workload from an empty store, under this policy for all tenants. */
  async pass(policy: PolicyOverlay = {}): Promise<TaskFigures> {
    const directory = await mkdtemp(join(tmpdir(), "vigie-bench-"));
    const store = await SegmentStore.open(directory);
    const task = this.task(store, policy);
    const before = process.cpuUsage();
    const { events, anomalies, bytes } = await this.run(task, store);
    const { user, system } = process.cpuUsage(before);
    const sizes = sizesOf(store);
    await store.close();
    await rm(directory, { recursive: true });
    return {
      microsAnEvent: Math.round((user + system) / (events / 100)) / 100,
      userOnly: Math.round(user / (events / 100)) / 100,
      events,
      anomalies,
      changelogBytes: Math.round(bytes / events),
      ...sizes,
    };
  }

  private async run(task: Task, store: SegmentStore) {
    const positions = new Map<string, number>();
    let [events, anomalies, bytes] = [0, 0, 0];
    let committing = Promise.resolve(0);
    const next = async (): Promise<void> => {
      bytes += await committing;
      const plan = task.plan();
      events += plan.tally.ok;
      anomalies += Object.values(plan.emitted).reduce((sum, count) => sum + count, 0);
      committing = commit(task, plan, store);
    };
    for (const { topic, recordSet } of this.fetches) {
      const from = positions.get(topic) ?? 0;
      const chunk = toChunk(fetched(topic, recordSet), 0);
      const to = from + chunk.records.length;
      positions.set(topic, to);
      task.queue(topic).push(chunk.records, to, this.ends.get(topic) ?? 0);
      while (task.run(() => 0, Number.POSITIVE_INFINITY).kind === "full") await next();
    }
    await next();
    return { events, anomalies, bytes: bytes + (await committing) };
  }

  private task(store: SegmentStore, policy: PolicyOverlay): Task {
    const { codecs, geoip } = this;
    const limits = { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: 5 * MINUTE_MS };
    const processor = createDetector({ codecs, geoip, log: silentLogger, ...limits });
    const forAll = { version: 1, document: JSON.stringify(policy) };
    return new Task(processor as AnyProcessor, store, {
      partition: 0,
      partitionsOf: () => 1,
      absent: new Set(["id.geo", "id.geo.prefs"]),
      lookup: (table, key) => (table === "policy" && key === "*" ? forAll : undefined),
      hasMark: () => false,
      changeAfter: () => null,
      maxTaskIdleMs: Number.POSITIVE_INFINITY,
      cacheEntriesMax: CACHE_ENTRIES,
      commitRecordsMax: COMMIT_RECORDS,
      processingError: "stop",
    });
  }

  /** The workload as the record sets that a broker would send, in the order of their first events. */
  private fetchesOf(size: { readonly events: number; readonly users: number }): Fetch[] {
    const made: Fetch[] = [];
    const open = new Map<string, OutgoingMessage[]>();
    const close = (topic: string, messages: readonly OutgoingMessage[]): void => {
      if (messages.length === 0) return;
      const recordSet = encodeBatch(messages, UNBOUND, { nowMs: 0 });
      made.push({ topic, count: messages.length, recordSet });
      open.set(topic, []);
    };
    for (const { topic, key, timestampMs, value } of workload(this.codecs, { ...size, seed: 1 })) {
      const messages = open.get(topic) ?? [];
      open.set(topic, messages);
      messages.push({ partition: 0, key, value, timestampMs });
      if (messages.length === CHUNK_RECORDS) close(topic, messages);
    }
    for (const [topic, messages] of open) close(topic, messages);
    return made;
  }
}

/** What the committer does, but for sending. Returns: the bytes of the changelog. */
async function commit(task: Task, plan: CommitPlan, store: SegmentStore): Promise<number> {
  const messages: OutgoingMessage[] = [];
  plan.changelog.forEach((value, key) => {
    messages.push({ partition: 0, key, value });
  });
  let bytes = 0;
  for (const batch of toRounds([{ topic: "changelog", messages }]).flat()) {
    bytes += encodeBatch(batch.messages, UNBOUND, { nowMs: 0 }).length;
  }
  const at = { clusterId: "bench", changelogOffset: 0, inputOffsets: {}, writtenAtMs: 0 };
  await store.write(plan.changelog, at);
  task.landed();
  return bytes;
}

function sizesOf(store: SegmentStore) {
  const sizes: number[] = [];
  let aggregateBytes = 0;
  for (const [key, envelope] of store.entries()) {
    const bytes = envelope.length - ENVELOPE_HEADER_BYTES;
    if (isReservedKey(key)) aggregateBytes += bytes;
    else sizes.push(bytes);
  }
  sizes.sort((a, b) => a - b);
  const at = (share: number): number =>
    sizes[Math.min(sizes.length - 1, Math.floor(share * sizes.length))] ?? 0;
  return { stateMedian: at(0.5), stateP99: at(0.99), stateMax: at(1), aggregateBytes };
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
