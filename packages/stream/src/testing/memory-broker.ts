import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import type {
  FetchedChunk,
  FetchedRecord,
  OutgoingMessage,
  RecordHeader,
  TopicMessages,
  TopicPartition,
  TopicPartitionOffset,
} from "../kafka/types.ts";

/** A transaction as its records know it. */
interface Txn {
  state: "open" | "committed" | "aborted";
  readonly touched: Map<string, TopicPartition>;
  readonly offsets: { groupId: string; offsets: readonly TopicPartitionOffset[] }[];
  /** What its offsets replaced. */
  readonly replaced: Map<string, { offset: number; metadata: string } | undefined>;
}

interface Stored {
  readonly record: FetchedRecord;
  readonly txn: Txn | null;
  readonly control: boolean;
}

interface Owner {
  epoch: number;
  open: Txn | null;
  committed: Txn | null;
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

function headersOf(message: OutgoingMessage): RecordHeader[] {
  return Object.entries(message.headers ?? {}).map(([name, value]) => ({
    name,
    value: Buffer.from(value),
  }));
}

/** Kafka's log, transactions and group offsets in memory: what outlives the members. */
export class MemoryBroker {
  readonly clusterId = "memory";
  /** Set by tests: by topic/partition, the oldest offset that is still held; 0 where none is set. */
  readonly lowWatermarks = new Map<string, number>();
  private readonly logs = new Map<string, Stored[]>();
  private readonly counts = new Map<string, number>();
  private readonly groups = new Map<string, { offset: number; metadata: string }>();
  private readonly owners = new Map<string, Owner>();
  private readonly watchers = new Set<() => void>();

  createTopic(topic: string, partitions: number): void {
    if (this.counts.has(topic)) return;
    this.counts.set(topic, partitions);
    for (let partition = 0; partition < partitions; partition++) {
      this.logs.set(keyOf({ topic, partition }), []);
    }
  }

  partitions(topic: string): number | undefined {
    return this.counts.get(topic);
  }

  /** Writes outside of any transaction. */
  produce(topic: string, message: OutgoingMessage): void {
    this.append(topic, message, null);
    this.changed();
  }

  end(at: TopicPartition): number {
    return this.log(at).length;
  }

  /** The last stable offset: everything before it is decided. */
  stable(at: TopicPartition): number {
    const log = this.log(at);
    const open = log.findIndex(({ txn }) => txn?.state === "open");
    return open < 0 ? log.length : open;
  }

  /** At most `limit` log entries from `from`, committed records only. */
  fetch(at: TopicPartition, from: number, limit: number): FetchedChunk {
    const stable = this.stable(at);
    const nextOffset = Math.max(from, Math.min(stable, from + limit));
    const records = this.log(at)
      .slice(from, nextOffset)
      .filter(({ control, txn }) => !control && txn?.state !== "aborted")
      .map(({ record }) => record);
    return {
      ...at,
      fetchOffset: from,
      records,
      nextOffset,
      highWatermark: this.end(at),
      lastStableOffset: stable,
      logStartOffset: 0,
      bytes: records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0),
    };
  }

  /** Every committed record of a topic, by partition and offset. */
  committedRecords(topic: string): FetchedRecord[] {
    const all = Array.from({ length: this.counts.get(topic) ?? 0 }, (_, partition) =>
      this.fetch({ topic, partition }, 0, Number.POSITIVE_INFINITY),
    );
    return all.flatMap(({ records }) => records);
  }

  /** As when a group's offsets expire. */
  forgetGroup(groupId: string): void {
    for (const key of this.groups.keys()) {
      if (key.startsWith(`${groupId}/`)) this.groups.delete(key);
    }
  }

  committed(groupId: string, at: TopicPartition): { offset: number | null; metadata: string } {
    return this.groups.get(`${groupId}/${keyOf(at)}`) ?? { offset: null, metadata: "" };
  }

  /** Fences earlier owners and aborts what they left open. Returns the new epoch. */
  initProducer(transactionalId: string): number {
    const owner = this.owners.get(transactionalId) ?? { epoch: -1, open: null, committed: null };
    if (owner.open !== null) this.decide(owner, "aborted");
    owner.epoch += 1;
    this.owners.set(transactionalId, owner);
    this.changed();
    return owner.epoch;
  }

  /** Throws: VIG_PRODUCER_FENCED for an epoch that is not the newest; so do the others. */
  begin(transactionalId: string, epoch: number): void {
    const owner = this.owner(transactionalId, epoch);
    assert(owner.open === null, "a transaction ends before the next begins");
    owner.open = { state: "open", touched: new Map(), offsets: [], replaced: new Map() };
  }

  write(transactionalId: string, epoch: number, messages: readonly TopicMessages[]): void {
    const txn = this.owner(transactionalId, epoch).open;
    assert(txn !== null, "a transaction is open where it is written to");
    for (const { topic, messages: list } of messages) {
      for (const message of list) this.append(topic, message, txn);
    }
  }

  addOffsets(
    transactionalId: string,
    epoch: number,
    about: { groupId: string; offsets: readonly TopicPartitionOffset[] },
  ): void {
    this.owner(transactionalId, epoch).open?.offsets.push(about);
  }

  commit(transactionalId: string, epoch: number): void {
    this.decide(this.owner(transactionalId, epoch), "committed");
    this.changed();
  }

  /** As a broker that lost its leaders: the last commit of an id, though acknowledged, turns out to be aborted. */
  loseCommit(transactionalId: string): void {
    const lost = this.owners.get(transactionalId)?.committed;
    assert(lost !== null && lost !== undefined, "something was committed by this id");
    lost.state = "aborted";
    for (const [key, before] of lost.replaced) {
      if (before === undefined) this.groups.delete(key);
      else this.groups.set(key, before);
    }
  }

  /** Calls back after every change, until told to stop. */
  watch(onChange: () => void): () => void {
    this.watchers.add(onChange);
    return () => this.watchers.delete(onChange);
  }

  private owner(transactionalId: string, epoch: number): Owner {
    const owner = this.owners.get(transactionalId);
    if (owner === undefined || owner.epoch !== epoch) {
      throw new VigError("VIG_PRODUCER_FENCED", { transactionalId });
    }
    return owner;
  }

  private decide(owner: Owner, state: "committed" | "aborted"): void {
    const txn = owner.open;
    assert(txn !== null, "a transaction is open where it is ended");
    txn.state = state;
    owner.open = null;
    for (const at of txn.touched.values()) {
      const marker = { partition: at.partition, key: null, value: null };
      this.log(at).push({ record: this.place(at.topic, marker), txn: null, control: true });
    }
    if (state === "aborted") return;
    owner.committed = txn;
    for (const { groupId, offsets } of txn.offsets) {
      for (const at of offsets) {
        const key = `${groupId}/${keyOf(at)}`;
        txn.replaced.set(key, this.groups.get(key));
        this.groups.set(key, { offset: at.offset, metadata: "" });
      }
    }
  }

  private append(topic: string, message: OutgoingMessage, txn: Txn | null): void {
    const at = { topic, partition: message.partition };
    this.log(at).push({ record: this.place(topic, message), txn, control: false });
    txn?.touched.set(keyOf(at), at);
  }

  private place(topic: string, message: OutgoingMessage): FetchedRecord {
    const { partition, timestampMs, value } = message;
    const key = typeof message.key === "string" ? Buffer.from(message.key) : message.key;
    return {
      topic,
      partition,
      offset: this.log({ topic, partition }).length,
      timestampMs: timestampMs ?? 0,
      key,
      value,
      headers: headersOf(message),
      size: (key?.length ?? 0) + (value?.length ?? 0),
    };
  }

  private log(at: TopicPartition): Stored[] {
    const log = this.logs.get(keyOf(at));
    if (log === undefined) throw new VigError("VIG_TOPIC_MISSING", { topic: at.topic });
    return log;
  }

  private changed(): void {
    for (const watcher of this.watchers) watcher();
  }
}
