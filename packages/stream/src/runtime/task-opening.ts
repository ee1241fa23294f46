import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import type { CommittedOffset } from "../kafka/admin.ts";
import type { TransactionalProducer } from "../kafka/transactional-producer.ts";
import type { StateStore } from "../state/store.ts";
import { Task } from "../task/task.ts";
import { restoreStore } from "./restore.ts";
import type { TaskHost } from "./task-host.ts";

/** A task at its last commit, and what it commits with. */
export interface OpenedTask {
  readonly task: Task;
  readonly transactions: TransactionalProducer;
  /** The next offset of the changelog that is not in the store. */
  readonly changelogOffset: number;
  readonly inputOffsets: Readonly<Record<string, number>>;
}

/**
 * Takes a partition over, in the one order that is safe: fence the owner before, then read what it has committed,
 * then where its changelog ends, then bring the store there. Ends with the inputs being fetched. While the broker is
 * away it waits; closing the producer that `onProducer` is told of ends that.
 * Throws: VIG_BROKER_AWAY, VIG_STORE_LOST, VIG_STORE_WRITE_FAILED, VIG_OFFSET_OUT_OF_RANGE.
 */
export async function openTask(
  host: TaskHost,
  partition: number,
  store: StateStore,
  onProducer: (producer: TransactionalProducer) => void,
): Promise<OpenedTask> {
  const { backend, names } = host;
  const transactions = backend.openTransactions(names.transactionalId(partition), (up, why) =>
    host.observer.dependency({ name: "kafka", up, ...(why === undefined ? {} : { why }) }),
  );
  onProducer(transactions);
  try {
    const left = {
      partitions: [{ topic: names.changelog, partition }],
      groupId: names.groupId,
    };
    await transactions.init();
    if (await isUndecided(host, partition)) await transactions.init(left);
    const inputs = presentInputs(host);
    const at = inputs.map((topic) => ({ topic: names.physical(topic), partition }));
    const committed = await transactions.committed(names.groupId, at);
    if (isAhead(store, inputs, committed)) {
      host.log.error({ partition }, "task.store_ahead");
      await transactions.init(left);
      await store.clear();
    }
    const rebuilt = await restore(host, partition, store);
    const offsets = await positions(host, partition, {
      inputs,
      committed: committed.map(({ offset }) => offset),
      kept: rebuilt ? {} : (store.checkpoint()?.inputOffsets ?? {}),
    });
    const task = newTask(host, partition, store);
    await beginReading(host, partition, task, offsets);
    const changelogOffset = store.checkpoint()?.changelogOffset ?? 0;
    return { task, transactions, changelogOffset, inputOffsets: Object.fromEntries(offsets) };
  } catch (thrown) {
    await transactions.close();
    throw thrown;
  }
}

const presentInputs = (host: TaskHost): string[] =>
  host.processor.inputs.map(({ topic }) => topic).filter((topic) => !host.absent.has(topic));

/** Whether a broker left a transaction of ours without an end: nobody else writes to this partition. */
async function isUndecided({ backend, names }: TaskHost, partition: number): Promise<boolean> {
  const stable = (await backend.admin.stableOffsets(names.changelog))[partition] ?? 0;
  const end = (await backend.admin.endOffsets(names.changelog))[partition] ?? 0;
  return stable < end;
}

/**
 * A store is written after its commit, so it never holds more than the group has committed; unless a broker lost a
 * commit that it had acknowledged. Then its states are of records that will come again: they are read anew from the
 * changelog, which the broker rolled back with the offsets.
 */
function isAhead(
  store: StateStore,
  inputs: readonly string[],
  committed: readonly CommittedOffset[],
): boolean {
  const held = store.checkpoint()?.inputOffsets ?? {};
  return inputs.some((topic, at) => {
    const offset = committed[at]?.offset ?? null;
    return offset !== null && (held[topic] ?? 0) > offset;
  });
}

async function restore(host: TaskHost, partition: number, store: StateStore): Promise<boolean> {
  const { backend, clusterId, log, names, observer } = host;
  const topic = names.changelog;
  const end = (await backend.admin.endOffsets(topic))[partition];
  const low = (await backend.admin.lowOffsets(topic))[partition];
  assert(end !== undefined && low !== undefined, "the changelog has the partitions of the inputs");
  const startedMs = host.clock();
  const from = store.checkpoint()?.changelogOffset ?? null;
  const source = { reader: backend.reader, topic, partition, low, end, clusterId };
  const rebuilt = await restoreStore(store, { ...source, nowMs: startedMs }, (progress) =>
    observer.restoring({ partition, ...progress }),
  );
  const tookMs = host.clock() - startedMs;
  log.info({ partition, from, end, rebuilt, tookMs }, "task.restored");
  return rebuilt;
}

interface Known {
  readonly inputs: readonly string[];
  readonly committed: readonly (number | null)[];
  /** Input offsets of the store, which stand in when the group's have expired. */
  readonly kept: Readonly<Record<string, number>>;
}

/** Where each input goes on. Throws: VIG_OFFSET_OUT_OF_RANGE when the log no longer holds that place. */
async function positions(
  host: TaskHost,
  partition: number,
  known: Known,
): Promise<[string, number][]> {
  return Promise.all(
    known.inputs.map(async (topic, at): Promise<[string, number]> => {
      const physical = host.names.physical(topic);
      const low = (await host.backend.admin.lowOffsets(physical))[partition] ?? 0;
      const offset = known.committed[at] ?? known.kept[topic] ?? low;
      if (offset < low) {
        throw new VigError("VIG_OFFSET_OUT_OF_RANGE", { topic: physical, partition, offset, low });
      }
      return [topic, offset];
    }),
  );
}

function newTask(host: TaskHost, partition: number, store: StateStore): Task {
  const { absent, globals, limits, partitionsOf, processor } = host;
  const { changeAfter, hasMark, lookup } = globals;
  const about = { absent, changeAfter, hasMark, lookup, partition, partitionsOf };
  return new Task(processor, store, { ...limits, ...about });
}

async function beginReading(
  host: TaskHost,
  partition: number,
  task: Task,
  offsets: readonly [string, number][],
): Promise<void> {
  const ends = await host.ends.read();
  for (const [topic, offset] of offsets) {
    const physical = host.names.physical(topic);
    task.queue(topic).push([], offset, ends.offsets.get(physical)?.[partition] ?? offset);
  }
  await host
    .group()
    .begin(
      offsets.map(([topic, offset]) => ({ topic: host.names.physical(topic), partition, offset })),
    );
}
