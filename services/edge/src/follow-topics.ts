import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { physicalName, type TopicName } from "@vigie/schemas/catalogue";
import type { Codecs, Decoder } from "@vigie/schemas/codec-core";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import {
  type FollowTarget,
  type LoneReader,
  openLoneReader,
} from "@vigie/stream/kafka/lone-reader";
import type { FetchedRecord } from "@vigie/stream/kafka/types";

/** What is done with the records of one topic. */
export interface TopicTaker {
  readonly topic: TopicName;
  /** By its key: a record that nobody asks for is not even decoded. */
  wants(key: string): boolean;
  take(value: unknown): void;
}

/** V is the type of the topic's contract. */
export const taker = <V>(
  topic: TopicName,
  take: (value: V) => void,
  wants: (key: string) => boolean = () => true,
): TopicTaker => ({ topic, wants, take: take as (value: unknown) => void });

export interface FollowTopicsOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly codecs: Codecs;
  readonly takers: readonly TopicTaker[];
  readonly log: Logger;
  /** Stands before the events of the log. */
  readonly name: string;
  onState?(up: boolean, why?: string): void;
  /** False: following broke off; it begins anew at the ends, and records in between are never told. */
  onFollowing?(isFollowing: boolean): void;
}

export interface FollowedTopics {
  stop(): Promise<void>;
}

const RETRY_MS = 500;
/** Nothing is lost with a connection that is not closed: a broker that is away is not waited for. */
const STOP_MAX_MS = 1_000;

/** Takes what topics tell from now on, in order, in no group and committing nothing: every process hears all. */
export function followTopics(options: FollowTopicsOptions): FollowedTopics {
  const follower = new Follower(options);
  const running = follower.run();
  return {
    async stop() {
      follower.stop();
      await Promise.race([running, after(STOP_MAX_MS)]);
    },
  };
}

interface Reading {
  readonly taker: TopicTaker;
  readonly decoder: Decoder<unknown>;
}

class Follower {
  private readonly options: FollowTopicsOptions;
  private readonly readings: ReadonlyMap<string, Reading>;
  /** Where to go on after a fault, by topic and partition. */
  private readonly positions = new Map<string, number>();
  private readonly stopped = Promise.withResolvers<void>();
  private isStopped = false;
  /** One chunk after another, also when one waits for its schema. */
  private taken: Promise<void> = Promise.resolve();

  constructor(options: FollowTopicsOptions) {
    this.options = options;
    const { takers, prefix, codecs } = options;
    this.readings = new Map(
      takers.map((taker) => [
        physicalName(prefix, taker.topic),
        { taker, decoder: codecs.decoder<unknown>(taker.topic) },
      ]),
    );
  }

  stop(): void {
    this.isStopped = true;
    this.stopped.resolve();
  }

  async run(): Promise<void> {
    const { client, log, name, onState, onFollowing } = this.options;
    while (!this.isStopped) {
      try {
        const reader = await openLoneReader(client);
        try {
          await this.follow(reader);
        } finally {
          await reader.close();
        }
      } catch (error) {
        const why = messageOf(error);
        log.warn({ why }, `${name}_interrupted`);
        onState?.(false, why);
        // What is no longer in the topic is not waited for by anybody.
        this.positions.clear();
        onFollowing?.(false);
      }
      if (!this.isStopped) await Promise.race([after(RETRY_MS), this.stopped.promise]);
    }
  }

  /** Until it is stopped or something breaks. */
  private async follow(reader: LoneReader): Promise<void> {
    const { onState, onFollowing } = this.options;
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => undefined);
    const targets = await this.targets(reader);
    const following = await reader.follow(targets, {
      records: (records, { position }, place) => {
        this.take(records);
        this.positions.set(nameOf(place), position);
      },
      failed: broken.reject,
      broker: (up, why) => onState?.(up, why),
    });
    onState?.(true);
    onFollowing?.(true);
    try {
      await Promise.race([this.stopped.promise, broken.promise]);
    } finally {
      following.stop();
    }
  }

  private async targets(reader: LoneReader): Promise<FollowTarget[]> {
    const targets: FollowTarget[] = [];
    for (const topic of this.readings.keys()) {
      const ends = await reader.endOffsets(topic);
      ends.forEach((end, partition) => {
        const from = this.positions.get(nameOf({ topic, partition })) ?? end;
        targets.push({ topic, partition, from });
      });
    }
    return targets;
  }

  private take(records: readonly FetchedRecord[]): void {
    const wanted = records.filter(
      ({ topic, key }) => this.readings.get(topic)?.taker.wants(String(key)) ?? false,
    );
    if (wanted.length === 0) return;
    this.taken = this.taken.then(async () => {
      for (const record of wanted) await this.takeOne(record);
    });
  }

  private async takeOne({ topic, value }: FetchedRecord): Promise<void> {
    const reading = this.readings.get(topic);
    if (value === null || reading === undefined) return;
    const { log, name } = this.options;
    try {
      let decoded = reading.decoder.decode(value);
      while (decoded.kind === "later") {
        await decoded.ready;
        decoded = reading.decoder.decode(value);
      }
      if (decoded.kind === "ok") reading.taker.take(decoded.value);
      else log.warn({ topic, outcome: decoded.kind }, `${name}_unreadable`);
    } catch (error) {
      log.warn({ topic, why: messageOf(error) }, `${name}_unreadable`);
    }
  }
}

const nameOf = ({ topic, partition }: { topic: string; partition: number }): string =>
  `${topic}/${partition}`;

const after = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
