import type { Logger } from "@vigie/core/log";
import { noOutages, noteTick, type Outages, outagesAt, type Ticks } from "@vigie/core/outages";
import type { Clock } from "@vigie/core/time";
import { physicalName } from "@vigie/schemas/catalogue";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { Following, LoneReader } from "@vigie/stream/kafka/lone-reader";
import { keepFollowing } from "../keep-following.ts";

export const TICK_TOPIC = "id.session.tick";

export interface FollowTicksOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface FollowedTicks {
  /** As known now; none until the ticks of the past were read. */
  outagesOf(partition: number): Outages;
  stop(): Promise<void>;
}

/** A day and a half of five edges, ticks of 100 bytes. An outage counts for a day: the longest idle timeout. */
const PAST_TICKS_MAX = 130_000;

interface Followed {
  ticks: Ticks;
  /** Where to go on. */
  position: number;
  /** Behind the ticks that were there at first. */
  readonly pastEnd: number;
}

/** The same outages that the sessions see, from the same ticks, for answers that derive an end by themselves. */
export function followTicks(options: FollowTicksOptions): FollowedTicks {
  const { client, log } = options;
  const follower = new Follower(options);
  const { stop } = keepFollowing({
    client,
    begin: (reader, broken) => follower.begin(reader, broken),
    interrupted: (why) => log.warn({ why }, "ticks_interrupted"),
  });
  return { outagesOf: (partition) => follower.outagesOf(partition), stop };
}

class Follower {
  readonly #options: FollowTicksOptions;
  readonly #topic: string;
  #partitions: Followed[] = [];

  constructor(options: FollowTicksOptions) {
    this.#options = options;
    this.#topic = physicalName(options.prefix, TICK_TOPIC);
  }

  outagesOf(partition: number): Outages {
    const followed = this.#partitions[partition];
    if (followed === undefined || followed.position < followed.pastEnd) return noOutages;
    return outagesAt(followed.ticks, this.#options.clock());
  }

  /** What was read before stays known. */
  async begin(reader: LoneReader, broken: (error: Error) => void): Promise<Following> {
    const topic = this.#topic;
    const [low, ends] = await Promise.all([reader.lowOffsets(topic), reader.endOffsets(topic)]);
    this.#partitions = ends.map((end, partition) => {
      const first = Math.max(low[partition] ?? 0, end - PAST_TICKS_MAX);
      const known = this.#partitions[partition] ?? { ticks: null, position: first, pastEnd: end };
      const isHeld = known.position >= first && known.position <= end;
      return isHeld ? known : { ...known, position: first };
    });
    const targets = this.#partitions.map(({ position: from }, partition) => ({
      topic,
      partition,
      from,
    }));
    return reader.follow(targets, {
      records: (records, { position }, { partition }) => {
        const followed = this.#partitions[partition];
        if (followed === undefined) return;
        for (const { timestampMs } of records) {
          followed.ticks = noteTick(followed.ticks, timestampMs);
        }
        followed.position = position;
      },
      failed: broken,
    });
  }
}
