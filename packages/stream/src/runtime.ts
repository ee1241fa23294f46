import { readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import { openKafkaBackend } from "./kafka/backend.ts";
import type { KafkaOptions } from "./kafka/client.ts";
import { LmdbStore } from "./lmdb/lmdb-store.ts";
import type { StreamObserver } from "./observer.ts";
import type { AnyProcessor, Processor } from "./processor.ts";
import type { Backend } from "./runtime/backend.ts";
import { EndsReader } from "./runtime/ends.ts";
import { GlobalTables } from "./runtime/global-tables.ts";
import { Member } from "./runtime/member.ts";
import { type Names, namesOf } from "./runtime/names.ts";
import type { TaskHost } from "./runtime/task-host.ts";
import { resolveTopics, type Topics } from "./runtime/topics.ts";
import { SegmentStore } from "./segments/segment-store.ts";
import type { StateStore } from "./state/store.ts";

export interface RuntimeOptions extends Pick<KafkaOptions, "brokers" | "ssl" | "sasl"> {
  /** Goes before topics, group id and transactional ids. */
  readonly prefix: string;
  /** Local state; each task has a folder below, which at most one process may use. */
  readonly stateDir: string;
  readonly log: Logger;
  readonly observer: StreamObserver;
  /** Default the wall clock. */
  readonly clock?: Clock;
  /** Create changelog and dead-letter topics that are missing. */
  readonly createInternalTopics: boolean;
  /** How long a task waits for an input that has more to read, before it goes on out of order. Default 1 s. */
  readonly maxTaskIdleMs?: number;
  /** A commit covers at most so many records; default 4,000: see docs/decisions/0005. */
  readonly commitRecordsMax?: number;
  /** Under load records are gathered for so long; default 100 ms. */
  readonly commitIntervalMs?: number;
  /**
   * Between two commits of a task at least, more where commits are slow, and as long a fetch that finds little is held;
   * default 0: what comes is answered at once.
   */
  readonly commitPauseMs?: number;
  /** Decoded states that a task keeps; default 20,000. */
  readonly cacheEntriesMax?: number;
  /** What an error of the processor's own ends: the task, or only the record. Default stop. */
  readonly processingError?: "stop" | "dlq";
  /** Name of this member among those that share `stateDir` (worker threads); default "0". */
  readonly member?: string;
}

export interface RunningProcessor {
  /** Commits what is in flight, leaves the group, closes the stores; within 10 s. */
  stop(): Promise<void>;
  /** Resolves with the first error that a task, or the member, cannot go on after. */
  readonly failed: Promise<Error>;
}

/** Stopping takes at most so long before connections are cut; what was not committed is processed again. */
const DRAIN_TIMEOUT_MS = 6_000;
const LEAVE_TIMEOUT_MS = 1_000;
const START_BACKOFF_MS = 500;
/**
 * Records that wait long outlive young garbage collections and are copied: 32 MiB and fetches of 4 MiB cost 8 % more
 * CPU a record than these, which still hold 100 ms of full load.
 */
const BUFFER_BYTES_MAX = 8 * 1024 * 1024;
const FETCH_BYTES_MAX = 1024 * 1024;

/**
 * Joins the processor's group and runs the tasks of the partitions it is given, exactly once, until stopped.
 * Waits while the broker is away. Throws: VIG_TOPIC_MISSING, VIG_PARTITIONS_DIFFER.
 */
export async function startProcessor<S, V, O extends string>(
  processor: Processor<S, V, O>,
  options: RuntimeOptions,
): Promise<RunningProcessor> {
  const { log, observer } = options;
  for (;;) {
    const clientId = `vigie.${processor.name}.${options.member ?? "0"}`;
    try {
      const backend = await openKafkaBackend({ ...options, clientId });
      return await startOn(backend, processor as AnyProcessor, options);
    } catch (thrown) {
      if (!(thrown instanceof VigError && thrown.code === "VIG_BROKER_AWAY")) throw thrown;
      observer.dependency({ name: "kafka", up: false, why: thrown.message });
      log.warn({ error: thrown.message }, "start.retry");
      await new Promise((resolve) => setTimeout(resolve, START_BACKOFF_MS));
    }
  }
}

/** Who commits now and then only need not be woken for every record. */
const heldFetches = (pauseMs: number): { fetchBytesMin?: number; maxWaitMs?: number } =>
  pauseMs === 0 ? {} : { fetchBytesMin: FETCH_BYTES_MAX, maxWaitMs: pauseMs };

/** Opens the store in a folder. */
export type OpenStore = (directory: string, wakes: boolean) => Promise<StateStore>;

/** Times to be woken at need an order, which LMDB keeps; without, a log is cheaper: see docs/decisions/0016. */
const openLocal: OpenStore = (directory, wakes) =>
  wakes ? LmdbStore.open(directory) : SegmentStore.open(directory);

/** The same on a given backend, which is closed at the end, and with other stores where tests want them. */
export async function startOn(
  backend: Backend,
  processor: AnyProcessor,
  options: RuntimeOptions,
  openStore: OpenStore = openLocal,
): Promise<RunningProcessor> {
  try {
    return await start(backend, processor, options, openStore);
  } catch (thrown) {
    await backend.close();
    throw thrown;
  }
}

async function start(
  backend: Backend,
  processor: AnyProcessor,
  options: RuntimeOptions,
  openStore: OpenStore,
): Promise<RunningProcessor> {
  const names = namesOf(processor.name, options.prefix);
  const topics = await resolveTopics(backend, processor, names, options.createInternalTopics);
  const directory = join(options.stateDir, `${options.prefix}${processor.name}`);
  await mkdir(directory, { recursive: true });
  const failure = Promise.withResolvers<Error>();
  const globals = await GlobalTables.open({
    backend,
    topics: topics.globals,
    tables: processor.globals,
    log: options.log,
    failed: failure.resolve,
  });
  const clusterId = await backend.admin.clusterId();
  const context = { backend, clusterId, directory, globals, names, openStore, topics };
  const member = new Member((group) => ({
    ...hostOf(processor, options, context),
    group,
    failed: (_partition, error) => failure.resolve(error),
  }));
  const group = await backend.joinGroup({
    groupId: names.groupId,
    topics: presentInputs(processor, topics).map(names.physical),
    stored: () => storedPartitions(directory),
    bufferBytesMax: BUFFER_BYTES_MAX,
    fetchBytesMax: FETCH_BYTES_MAX,
    ...heldFetches(options.commitPauseMs ?? 0),
    memberIdFile: join(directory, `member-${options.member ?? "0"}`),
    events: member.events(failure.resolve),
  });
  member.joined(group);
  const stop = async (): Promise<void> => {
    const drained = await within(DRAIN_TIMEOUT_MS, member.stop());
    if (!drained) options.log.error({ timeoutMs: DRAIN_TIMEOUT_MS }, "stop.not_drained");
    await within(LEAVE_TIMEOUT_MS, group.stop());
    globals.close();
    await backend.close();
  };
  let stopping: Promise<void> | null = null;
  return {
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
    failed: failure.promise,
  };
}

interface HostContext {
  readonly backend: Backend;
  readonly clusterId: string;
  readonly directory: string;
  readonly globals: GlobalTables;
  readonly names: Names;
  readonly openStore: OpenStore;
  readonly topics: Topics;
}

function hostOf(
  processor: AnyProcessor,
  options: RuntimeOptions,
  context: HostContext,
): Omit<TaskHost, "group" | "failed"> {
  const { backend, clusterId, directory, globals, names, openStore, topics } = context;
  const clock = options.clock ?? Date.now;
  const inputs = presentInputs(processor, topics).map(names.physical);
  return {
    processor,
    names,
    backend,
    clusterId,
    clock,
    globals,
    ends: new EndsReader(backend, inputs, clock),
    openStore: (partition) =>
      openedOn(openStore, join(directory, String(partition)), processor.wake !== undefined),
    partitionsOf: topics.partitionsOf,
    absent: topics.absent,
    limits: {
      maxTaskIdleMs: options.maxTaskIdleMs ?? 1_000,
      cacheEntriesMax: options.cacheEntriesMax ?? 20_000,
      commitRecordsMax: options.commitRecordsMax ?? 4_000,
      commitIntervalMs: options.commitIntervalMs ?? 100,
      commitPauseMs: options.commitPauseMs ?? 0,
      processingError: options.processingError ?? "stop",
    },
    log: options.log,
    observer: options.observer,
  };
}

const presentInputs = (processor: AnyProcessor, topics: Topics): string[] =>
  processor.inputs.map(({ topic }) => topic).filter((topic) => !topics.absent.has(topic));

/** An opening writes, too: on a full disk, or out of file descriptors, it is tried again as a write is. */
async function openedOn(open: OpenStore, directory: string, wakes: boolean): Promise<StateStore> {
  try {
    return await open(directory, wakes);
  } catch (thrown) {
    if (thrown instanceof VigError) throw thrown;
    const why = messageOf(thrown);
    throw new VigError("VIG_STORE_WRITE_FAILED", { directory, why }, { cause: thrown });
  }
}

/** Partitions that have a folder of state. */
function storedPartitions(directory: string): number[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch (thrown) {
    throw new VigError("VIG_INVARIANT", { what: `state is readable: ${messageOf(thrown)}` });
  }
}

/** Whether it was done in time. Rejects as `work` does. */
async function within(timeoutMs: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
