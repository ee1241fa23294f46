import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { noOutages, noteTick, type Outages, outagesAt, type Ticks } from "@vigie/core/outages";
import type { Clock } from "@vigie/core/time";
import { physicalName } from "@vigie/schemas/catalogue";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { type LoneReader, openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { TICK_TOPIC } from "./ticks.ts";

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
const RETRY_MS = 500;

interface Followed {
  ticks: Ticks;
  /** Where to go on. */
  position: number;
  /** Behind the ticks that were there at first. */
  readonly pastEnd: number;
}

/** The same outages that the sessions see, from the same ticks, for answers that derive an end by themselves. */
export function followTicks(options: FollowTicksOptions): FollowedTicks {
  const follower = new Follower(options);
  const running = follower.run();
  return {
    outagesOf: (partition) => follower.outagesOf(partition),
    async stop() {
      follower.stop();
      await running;
    },
  };
}

class Follower {
  readonly #options: FollowTicksOptions;
  readonly #topic: string;
  readonly #stopped = Promise.withResolvers<void>();
  #partitions: Followed[] = [];
  #isStopped = false;

  constructor(options: FollowTicksOptions) {
    this.#options = options;
    this.#topic = physicalName(options.prefix, TICK_TOPIC);
  }

  outagesOf(partition: number): Outages {
    const followed = this.#partitions[partition];
    if (followed === undefined || followed.position < followed.pastEnd) return noOutages;
    return outagesAt(followed.ticks, this.#options.clock());
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopped.resolve();
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        const reader = await openLoneReader(this.#options.client);
        try {
          await this.#follow(reader);
        } finally {
          await reader.close();
        }
      } catch (error) {
        this.#options.log.warn({ why: messageOf(error) }, "ticks_interrupted");
      }
      if (!this.#isStopped) await Promise.race([after(RETRY_MS), this.#stopped.promise]);
    }
  }

  /** Until it is stopped or something breaks. What was read before stays known. */
  async #follow(reader: LoneReader): Promise<void> {
    const topic = this.#topic;
    const [low, ends] = await Promise.all([reader.lowOffsets(topic), reader.endOffsets(topic)]);
    this.#partitions = ends.map((end, partition) => {
      const first = Math.max(low[partition] ?? 0, end - PAST_TICKS_MAX);
      const known = this.#partitions[partition] ?? { ticks: null, position: first, pastEnd: end };
      const isHeld = known.position >= first && known.position <= end;
      return isHeld ? known : { ...known, position: first };
    });
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => undefined);
    const targets = this.#partitions.map(({ position: from }, partition) => ({
      topic,
      partition,
      from,
    }));
    const following = await reader.follow(targets, {
      records: (records, { position }, { partition }) => {
        const followed = this.#partitions[partition];
        if (followed === undefined) return;
        for (const { timestampMs } of records) {
          followed.ticks = noteTick(followed.ticks, timestampMs);
        }
        followed.position = position;
      },
      failed: broken.reject,
    });
    try {
      await Promise.race([this.#stopped.promise, broken.promise]);
    } finally {
      following.stop();
    }
  }
}

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
