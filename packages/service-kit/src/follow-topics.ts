import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { physicalName, type TopicName } from "@vigie/schemas/catalogue";
import type { Codecs, Decoder } from "@vigie/schemas/codec-core";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { Following, FollowTarget, LoneReader } from "@vigie/stream/kafka/lone-reader";
import type { FetchedRecord } from "@vigie/stream/kafka/types";
import { type KeptFollowing, keepFollowing } from "./keep-following.ts";

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

/** Takes what topics tell from now on, in order: every process hears all. */
export function followTopics(options: FollowTopicsOptions): KeptFollowing {
  const { client, log, name, onState, onFollowing } = options;
  const follower = new Follower(options);
  return keepFollowing({
    client,
    async begin(reader, broken) {
      const following = await follower.begin(reader, broken);
      onState?.(true);
      onFollowing?.(true);
      return following;
    },
    interrupted(why) {
      log.warn({ why }, `${name}_interrupted`);
      onState?.(false, why);
      onFollowing?.(false);
    },
  });
}

interface Reading {
  readonly taker: TopicTaker;
  readonly decoder: Decoder<unknown>;
}

class Follower {
  private readonly options: FollowTopicsOptions;
  private readonly readings: ReadonlyMap<string, Reading>;
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

  /** At the ends: what is no longer in the topic is not waited for by anybody. */
  async begin(reader: LoneReader, broken: (error: Error) => void): Promise<Following> {
    const targets: FollowTarget[] = [];
    for (const topic of this.readings.keys()) {
      const ends = await reader.endOffsets(topic);
      ends.forEach((from, partition) => {
        targets.push({ topic, partition, from });
      });
    }
    return reader.follow(targets, {
      records: (records) => this.take(records),
      failed: broken,
      broker: (up, why) => this.options.onState?.(up, why),
    });
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
