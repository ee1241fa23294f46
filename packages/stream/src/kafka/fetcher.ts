import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { asVigError, recoverCluster, sendTo, throwIfError } from "./client.ts";
import { type Cluster, READ_COMMITTED } from "./internals.ts";
import { type FetchedPartition, type FetchedResponse, fetchRequest, toChunk } from "./protocol.ts";
import type { FetchedChunk, TopicPartition, TopicPartitionOffset } from "./types.ts";

export interface FetchSettings {
  /** How long the broker holds a fetch that finds less than `minBytes`. */
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxBytesPerPartition: number;
}

export interface FetchEvents {
  /** In order per partition. Told also when nothing came, so that positions and watermarks stay known. */
  chunk(chunk: FetchedChunk): void;
  /** Called on changes only. */
  broker(up: boolean, why?: string): void;
  /** The fetcher has stopped for good. */
  failed(error: VigError): void;
}

interface Target extends TopicPartition {
  position: number;
  paused: boolean;
}

// Source: Kafka protocol error codes.
const OFFSET_OUT_OF_RANGE = 1;
/** Unknown topic, no leader, not the leader, replica or storage away, old epochs: the metadata is stale. */
const STALE = new Set([3, 5, 6, 9, 56, 74, 75, 76, 78]);
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 2_000;

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;

/**
 * Fetches partitions without a group: one long poll at a time a broker, each going on where the last chunk ended.
 * Records are handed over at once and never waited for; what is paused is left out of the next request.
 */
export class Fetcher {
  private readonly cluster: Cluster;
  private readonly log: Logger;
  private readonly settings: FetchSettings;
  private readonly events: FetchEvents;
  private readonly targets = new Map<string, Target>();
  private readonly polls = new Map<number, Promise<void>>();
  private readonly sleepers = new Set<() => void>();
  private stopped = false;
  private up = true;

  constructor(cluster: Cluster, about: { log: Logger; settings: FetchSettings; on: FetchEvents }) {
    this.cluster = cluster;
    this.log = about.log;
    this.settings = about.settings;
    this.events = about.on;
  }

  /** Begins or moves a partition. The topic's metadata must be loaded. */
  add({ topic, partition, offset }: TopicPartitionOffset): void {
    if (this.stopped) return;
    this.targets.set(keyOf(topic, partition), {
      topic,
      partition,
      position: offset,
      paused: false,
    });
    this.wake();
  }

  remove({ topic, partition }: TopicPartition): void {
    this.targets.delete(keyOf(topic, partition));
  }

  pause({ topic, partition }: TopicPartition): void {
    const target = this.targets.get(keyOf(topic, partition));
    if (target !== undefined) target.paused = true;
  }

  resume({ topic, partition }: TopicPartition): void {
    const target = this.targets.get(keyOf(topic, partition));
    if (target === undefined || !target.paused) return;
    target.paused = false;
    this.wake();
  }

  /** Stops at once; a poll under way ends with its connection, which the owner of the cluster closes. */
  stop(): void {
    this.stopped = true;
    this.targets.clear();
    for (const wakeUp of this.sleepers) wakeUp();
  }

  /** Starts a poll for each broker that leads an active partition and has none. */
  private wake(): void {
    if (this.stopped) return;
    for (const target of this.targets.values()) {
      if (target.paused) continue;
      const leader = this.leaderOf(target);
      if (this.polls.has(leader)) continue;
      const poll = this.poll(leader).finally(() => {
        this.polls.delete(leader);
        // What became active while the last round ended would otherwise wait for ever.
        if (this.activeOf(leader).length > 0) this.wake();
      });
      this.polls.set(leader, poll);
    }
  }

  /** -1 while there is no leader: polled too, so that its error is met and waited out. */
  private leaderOf({ topic, partition }: Target): number {
    const all = this.cluster.findTopicPartitionMetadata(topic);
    const byIndex = all[partition];
    if (byIndex?.partitionId === partition) return byIndex.leader;
    return all.find(({ partitionId }) => partitionId === partition)?.leader ?? -1;
  }

  private activeOf(leader: number): Target[] {
    const active: Target[] = [];
    if (this.stopped) return active;
    for (const target of this.targets.values()) {
      if (!target.paused && this.leaderOf(target) === leader) active.push(target);
    }
    return active;
  }

  private async poll(leader: number): Promise<void> {
    let failures = 0;
    for (let round = 0; ; round += 1) {
      const active = this.activeOf(leader);
      if (active.length === 0) return;
      try {
        const response = await this.ask(leader, rotate(active, round));
        const stale = this.deliver(active, response);
        this.tell(true);
        failures = 0;
        if (stale !== null) throw stale;
      } catch (error) {
        if (this.stopped) return;
        if (error instanceof VigError) return this.fail(error);
        failures += 1;
        await this.recover(error, failures);
        this.wake();
      }
    }
  }

  private async ask(leader: number, active: readonly Target[]): Promise<FetchedResponse> {
    await this.cluster.refreshMetadataIfNecessary();
    const broker = await this.cluster.findBroker({ nodeId: leader });
    const wanted = active.map(({ topic, partition, position }) => ({
      topic,
      partition,
      offset: position,
    }));
    const options = { ...this.settings, isolation: READ_COMMITTED };
    const response = await sendTo(broker, fetchRequest(wanted, options));
    throwIfError(response.errorCode);
    return response;
  }

  /** Hands over what came for partitions that still stand where they stood. Returns an error that a retry may heal. */
  private deliver(asked: readonly Target[], response: FetchedResponse): Error | null {
    const positions = new Map(asked.map((t) => [keyOf(t.topic, t.partition), t]));
    const offsets = new Map(asked.map((t) => [t, t.position]));
    let stale: Error | null = null;
    for (const fetched of response.partitions) {
      const key = keyOf(fetched.topic, fetched.partition);
      const target = positions.get(key);
      // Moved, removed or added again meanwhile: this answer is to another question.
      if (target === undefined || this.targets.get(key) !== target) continue;
      if (fetched.errorCode === 0) this.hand(fetched, target, offsets.get(target) as number);
      else stale = this.judge(fetched, target);
      if (this.stopped) return null;
    }
    return stale;
  }

  /** What cannot be decoded, or not be taken, must never be skipped: it stops the fetcher. */
  private hand(fetched: FetchedPartition, target: Target, asked: number): void {
    try {
      const chunk = toChunk(fetched, asked);
      target.position = chunk.nextOffset;
      this.events.chunk(chunk);
    } catch (error) {
      if (error instanceof VigError) throw error;
      const what = `${target.topic}[${target.partition}] is read from ${asked}: ${messageOf(error)}`;
      throw new VigError("VIG_INVARIANT", { what }, { cause: error });
    }
  }

  private judge(fetched: FetchedPartition, target: Target): Error {
    const { topic, partition } = target;
    if (fetched.errorCode === OFFSET_OUT_OF_RANGE) {
      const low = fetched.logStartOffset;
      throw new VigError("VIG_OFFSET_OUT_OF_RANGE", {
        topic,
        partition,
        offset: target.position,
        low: low < 0 ? "another offset" : low,
      });
    }
    if (STALE.has(fetched.errorCode)) {
      return new Error(`error ${fetched.errorCode} of ${topic}[${partition}]`);
    }
    const why = `error ${fetched.errorCode} of ${topic}[${partition}]`;
    throw new VigError("VIG_INVARIANT", { what: `a fetch gives records, not ${why}` });
  }

  private async recover(error: unknown, failures: number): Promise<void> {
    const why = asVigError(error).message;
    if (failures > 1) this.tell(false, why);
    await this.sleep(Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10)));
    if (this.stopped) return;
    try {
      await recoverCluster(this.cluster, error);
    } catch (again) {
      if (!this.stopped) this.tell(false, asVigError(again).message);
    }
  }

  private tell(up: boolean, why?: string): void {
    if (up === this.up || this.stopped) return;
    this.up = up;
    if (!up) this.log.warn({ why }, "kafka.fetch.away");
    this.events.broker(up, why);
  }

  private fail(error: VigError): void {
    this.stop();
    this.events.failed(error);
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.sleepers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.sleepers.add(done);
    });
  }
}

/** Another partition comes first in every round: the first is served even when its batch exceeds the limits. */
function rotate<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % items.length;
  return at === 0 ? items : [...items.slice(at), ...items.slice(0, at)];
}
