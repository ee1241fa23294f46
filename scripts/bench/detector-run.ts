import { join } from "node:path";
import { assert } from "@vigie/core/assert";
import { DAY_MS, HOUR_MS } from "@vigie/core/time";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import { Workload } from "@vigie/testkit/workload/workload";
import type { BenchStack, Installation } from "./bench-stack.ts";
import { inputTopics, preload } from "./preload.ts";
import { until } from "./processes.ts";

const GROUP = "vigie.detector";
const SPAN_MS = 10 * DAY_MS;

export interface LoadSize {
  readonly events: number;
  readonly users: number;
}

export interface DetectorSize extends LoadSize {
  /** How often what is compared is run, in turn. */
  readonly rounds: number;
}

export interface Loaded {
  readonly installation: Installation;
  readonly workload: Workload;
  readonly valueBytesAverage: number;
  readonly perSecond: number;
  /** Writes so many of the later events behind those of before. */
  writeMore(count: number): Promise<unknown>;
}

/** A workload of ten days in the topics of a fresh installation, but for so many `later` events. */
export async function load(
  { client, installation: install, registryUrl }: BenchStack,
  name: string,
  { events, users }: LoadSize,
  later = 0,
): Promise<Loaded> {
  const installation = await install(name);
  const { prefix, folder } = installation;
  const startMs = Date.now() - SPAN_MS - HOUR_MS;
  const size = { events: events + later, users };
  const workload = new Workload({ ...size, seed: 1, startMs, spanMs: SPAN_MS });
  const all = workload.events();
  const where = { prefix, registryUrl, cacheDir: join(folder, "schemas") };
  const write = (count: number) => preload(client, nextOf(all, count), where);
  const { seconds, valueBytesAverage } = await write(events);
  const perSecond = Math.round(events / seconds);
  return { installation, workload, valueBytesAverage, perSecond, writeMore: write };
}

function* nextOf<T>(items: Iterator<T>, count: number): Generator<T> {
  for (let i = 0; i < count; i++) {
    const { value, done } = items.next();
    if (done) return;
    yield value;
  }
}

/** Waits until so many events are committed in all, and says when that began and how it went on. */
export async function timeToEnd(servers: BenchStack, prefix: string, events: number) {
  const spawnedMs = performance.now();
  const progress = new Progress(events);
  await until(
    "the detector consumes everything",
    async () => {
      const count = await committedRecords(servers, prefix);
      return progress.note(count, performance.now() - spawnedMs) ? true : null;
    },
    { deadlineMs: 600_000 },
  );
  return progress.figures();
}

export interface Timed {
  readonly seconds: number;
  readonly secondHalfPerSecond: number;
  readonly startToFirstSeconds: number;
}

/** How a detector's committed offsets moved, on a clock that its caller reads. */
export class Progress {
  private readonly events: number;
  private firstMs = 0;
  private half: { readonly atMs: number; readonly count: number } | null = null;
  private endMs = 0;

  constructor(events: number) {
    this.events = events;
  }

  /** `atMs`: since the start. Returns: whether all is committed. */
  note(count: number, atMs: number): boolean {
    if (count > 0 && this.firstMs === 0) this.firstMs = atMs;
    if (count * 2 >= this.events) this.half ??= { atMs, count };
    if (count >= this.events && this.endMs === 0) this.endMs = atMs;
    return this.endMs > 0;
  }

  figures(): Timed {
    const { endMs, events, firstMs, half } = this;
    const { atMs, count } = half ?? { atMs: firstMs, count: 0 };
    assert(endMs > firstMs && endMs > atMs, "a run lasts longer than a look at it: more --events");
    return {
      seconds: (endMs - firstMs) / 1_000,
      secondHalfPerSecond: (events - count) / ((endMs - atMs) / 1_000),
      startToFirstSeconds: firstMs / 1_000,
    };
  }
}

/** What a detector has committed of its input topics. */
export async function committedRecords(servers: BenchStack, prefix: string): Promise<number> {
  const partitions = inputTopics.flatMap((topic) =>
    Array.from({ length: PARTITIONS_DEFAULT }, (_, partition) => ({
      topic: prefix + topic,
      partition,
    })),
  );
  const committed = await servers.admin.committed(prefix + GROUP, partitions);
  return committed.reduce((sum, { offset }) => sum + (offset ?? 0), 0);
}
