import { assert } from "@vigie/core/assert";
import type { VigError } from "@vigie/core/errors";
import { lowOffsetsOf } from "./admin.ts";
import { closeCluster, type KafkaClient, openCluster, withRecovery } from "./client.ts";
import { Fetcher } from "./fetcher.ts";
import type { Cluster } from "./internals.ts";
import { Membership } from "./membership.ts";
import type { FetchedChunk, TopicPartition } from "./types.ts";

/** How the partitions of this member changed; a partition number stands for that partition of every topic. */
export interface AssignmentChange {
  /** Owned before and still: their tasks go on, nothing was or will be fetched twice. */
  readonly kept: readonly number[];
  /** Stop their tasks without committing: another member may own them already. */
  readonly lost: readonly number[];
  /** Nothing is fetched before `begin`. Holds also what was owned before but may have had another owner meanwhile. */
  readonly added: readonly number[];
}

export interface GroupEvents {
  /** The group is forming anew. Kept partitions are fetched on meanwhile. */
  rebalancing?(): void;
  /** Lost partitions deliver nothing any more when this is called. */
  assigned(change: AssignmentChange): void;
  /** A partition's part of a fetch, in order. Also when it holds no records: position and watermarks moved. Never waited for. */
  chunk(chunk: FetchedChunk): void;
  /** Bytes that the owner still buffers of a partition; asked after each chunk and by `drained`. */
  bufferedBytes(topic: string, partition: number): number;
  /** Called on changes only. */
  broker(up: boolean, why?: string): void;
  /** The consumer has stopped for good: VIG_OFFSET_OUT_OF_RANGE, a refused membership, a record set that cannot be read. */
  failed(error: VigError): void;
}

export interface GroupConsumerOptions {
  readonly groupId: string;
  /** Physical names; all must exist. */
  readonly topics: readonly string[];
  /** A file for the member id, beside the state; null keeps none. */
  readonly memberIdFile: string | null;
  /** Partitions whose store is on disk: they are assigned here if possible. */
  readonly stored: () => readonly number[];
  /** Over all partitions; each gets an equal share, so that one topic's backlog never starves the merge. Default 32 MiB. */
  readonly bufferBytesMax?: number;
  readonly maxWaitMs?: number;
  /** A fetch that finds less is held for `maxWaitMs`. Default 1: what comes is given at once. */
  readonly fetchBytesMin?: number;
  readonly fetchBytesMax?: number;
  readonly heartbeatMs?: number;
  readonly sessionMs?: number;
  readonly events: GroupEvents;
}

export interface BeginOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number | "earliest";
}

export interface GroupConsumer {
  readonly memberId: string | null;
  /** Begins to fetch an assigned partition of some topics. Resolves with the offsets begun at. */
  begin(offsets: readonly BeginOffset[]): Promise<readonly number[]>;
  /** To be called after taking records from the buffers: goes on with what was paused. */
  drained(): void;
  /** Leaves the group and closes. Commits nothing. */
  stop(): Promise<void>;
}

/** What sinks need besides. */
export interface GroupMember extends GroupConsumer {
  /** Stops fetching these; `begin` starts them anew. */
  end(partitions: readonly TopicPartition[]): void;
  /** Fetches nothing more; the membership goes on. */
  quiesce(): void;
  partitionCount(topic: string): number;
}

const BUFFER_BYTES_MAX = 32 * 1_024 * 1_024;
const SHARE_BYTES_MIN = 256 * 1_024;
/** A new or resumed partition waits for the running poll at most this long. Source: DESIGN. */
const MAX_WAIT_MS = 50;
const FETCH_BYTES_MAX = 4 * 1_024 * 1_024;
/** Source: Java client's max.partition.fetch.bytes; a record batch has at most about that. */
const PARTITION_BYTES_MAX = 1_024 * 1_024;
/** A rebalance is noticed at the next heartbeat. Source: DESIGN, 300-500 ms and 6 s. */
const HEARTBEAT_MS = 300;
const SESSION_MS = 6_000;

class Member implements GroupMember {
  private readonly cluster: Cluster;
  private readonly options: GroupConsumerOptions;
  private readonly fetcher: Fetcher;
  private readonly membership: Membership;
  private owned: readonly number[] = [];
  private readonly paused = new Map<string, TopicPartition>();
  private readonly away = new Map<string, string>();
  private stopped = false;

  constructor(client: KafkaClient, cluster: Cluster, options: GroupConsumerOptions) {
    this.cluster = cluster;
    this.options = options;
    const { events } = options;
    this.fetcher = new Fetcher(cluster, {
      log: client.log,
      settings: {
        maxWaitMs: options.maxWaitMs ?? MAX_WAIT_MS,
        minBytes: options.fetchBytesMin ?? 1,
        maxBytes: options.fetchBytesMax ?? FETCH_BYTES_MAX,
        maxBytesPerPartition: PARTITION_BYTES_MAX,
      },
      on: {
        chunk: (chunk) => this.deliver(chunk),
        broker: (up, why) => this.tell("fetch", up, why),
        failed: (error) => this.fail(error),
      },
    });
    this.membership = new Membership(
      cluster,
      {
        groupId: options.groupId,
        topics: options.topics,
        memberIdFile: options.memberIdFile,
        stored: options.stored,
        heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
        sessionMs: options.sessionMs ?? SESSION_MS,
        log: client.log,
        kafkajsLogger: client.kafkajsLogger,
      },
      {
        rebalancing: () => events.rebalancing?.(),
        assigned: (partitions, continuous) => this.assign(partitions, continuous),
        broker: (up, why) => this.tell("group", up, why),
        failed: (error) => this.fail(error),
      },
    );
  }

  get memberId(): string | null {
    return this.membership.memberId;
  }

  start(): Promise<void> {
    return this.membership.start();
  }

  async begin(offsets: readonly BeginOffset[]): Promise<readonly number[]> {
    const begun: number[] = [];
    const lows = new Map<string, readonly number[]>();
    for (const { topic, partition, offset } of offsets) {
      if (offset === "earliest" && !lows.has(topic)) {
        const read = () => lowOffsetsOf(this.cluster, topic);
        lows.set(topic, await withRecovery(this.cluster, read));
      }
      begun.push(offset === "earliest" ? (lows.get(topic)?.[partition] ?? 0) : offset);
    }
    offsets.forEach(({ topic, partition }, i) => {
      if (this.stopped || !this.owned.includes(partition)) return;
      this.fetcher.add({ topic, partition, offset: begun[i] as number });
    });
    return begun;
  }

  end(partitions: readonly TopicPartition[]): void {
    for (const target of partitions) {
      this.paused.delete(`${target.topic}/${target.partition}`);
      this.fetcher.remove(target);
    }
  }

  quiesce(): void {
    this.fetcher.stop();
  }

  partitionCount(topic: string): number {
    return this.cluster.findTopicPartitionMetadata(topic).length;
  }

  drained(): void {
    if (this.paused.size === 0) return;
    const half = this.shareBytes() / 2;
    for (const [key, target] of this.paused) {
      if (this.options.events.bufferedBytes(target.topic, target.partition) >= half) continue;
      this.paused.delete(key);
      this.fetcher.resume(target);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.fetcher.stop();
    await this.membership.stop();
    await closeCluster(this.cluster);
  }

  private shareBytes(): number {
    const { bufferBytesMax = BUFFER_BYTES_MAX, topics } = this.options;
    const shares = Math.max(1, this.owned.length * topics.length);
    return Math.max(SHARE_BYTES_MIN, bufferBytesMax / shares);
  }

  private deliver(chunk: FetchedChunk): void {
    if (this.stopped) return;
    const { topic, partition } = chunk;
    const { events } = this.options;
    assert(this.owned.includes(partition), "only what is owned is fetched");
    events.chunk(chunk);
    if (events.bufferedBytes(topic, partition) < this.shareBytes()) return;
    this.paused.set(`${topic}/${partition}`, { topic, partition });
    this.fetcher.pause({ topic, partition });
  }

  private assign(partitions: readonly number[], continuous: boolean): void {
    const before = this.owned;
    const kept = continuous ? before.filter((partition) => partitions.includes(partition)) : [];
    const lost = before.filter((partition) => !kept.includes(partition));
    const added = partitions.filter((partition) => !kept.includes(partition));
    for (const topic of this.options.topics) {
      this.end(lost.map((partition) => ({ topic, partition })));
    }
    this.owned = partitions;
    this.options.events.assigned({ kept, lost, added });
    this.drained();
  }

  private tell(part: string, up: boolean, why = ""): void {
    const wasUp = this.away.size === 0;
    if (up) this.away.delete(part);
    else this.away.set(part, why);
    const isUp = this.away.size === 0;
    if (isUp !== wasUp && !this.stopped) this.options.events.broker(isUp, isUp ? undefined : why);
  }

  private fail(error: VigError): void {
    if (this.stopped) return;
    this.fetcher.stop();
    this.options.events.failed(error);
  }
}

/**
 * Joins a group. Resolves when membership is under way; assignments come by `events.assigned`.
 * Throws: VIG_TOPIC_MISSING, VIG_BROKER_AWAY.
 */
export async function joinGroup(
  client: KafkaClient,
  options: GroupConsumerOptions,
): Promise<GroupMember> {
  const cluster = await openCluster(client, options.topics);
  const member = new Member(client, cluster, options);
  try {
    await member.start();
    return member;
  } catch (error) {
    await closeCluster(cluster);
    throw error;
  }
}
