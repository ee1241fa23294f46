import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { type Clock, SECOND_MS } from "@vigie/core/time";

/** Nobody vouches for anything by a look older than this. Source: DESIGN, Sinks, "less than 5 s behind". */
export const LAG_MAX_MS = 5 * SECOND_MS;
/** Four looks within the shortest lag that is asked for: one that fails or takes long does no harm. */
const LOOK_EVERY_MS = 500;

export interface TopicEndsOptions {
  /** Where a read-committed reader ends, in order of partition; throws while the broker is away. */
  stable(): Promise<readonly number[]>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How far a topic had come lately, so that whoever reads it can be told from one that lags behind. */
export interface TopicEnds {
  /**
   * Whether what is applied up to `offset` is less than `lagMaxMs` behind. While the broker is away the newest look
   * counts until it is 5 s old; after that nobody is current.
   */
  isCurrent(partition: number, offset: number, lagMaxMs: number): boolean;
  /** Looks once. Throws: VIG_BROKER_AWAY. */
  look(): Promise<void>;
  /** Looks on by itself from now. */
  start(): void;
  stop(): void;
}

interface Look {
  /** Before the question was put. */
  readonly atMs: number;
  readonly ends: readonly number[];
}

export function createTopicEnds({ stable, clock, log }: TopicEndsOptions): TopicEnds {
  /** Oldest first, none older than LAG_MAX_MS. */
  let looks: readonly Look[] = [];
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function look(): Promise<void> {
    const atMs = clock();
    const ends = await stable();
    looks = [...looks.filter((each) => atMs - each.atMs <= LAG_MAX_MS), { atMs, ends }];
  }

  async function goOn(): Promise<void> {
    await look().catch((error: unknown) => log.debug({ why: messageOf(error) }, "ends_unknown"));
    if (!stopped) timer = setTimeout(goOn, LOOK_EVERY_MS);
  }

  return {
    look,
    isCurrent(partition, offset, lagMaxMs) {
      const nowMs = clock();
      const newest = looks.at(-1);
      if (newest === undefined || nowMs - newest.atMs > LAG_MAX_MS) return false;
      const { ends } = looks.find(({ atMs }) => nowMs - atMs <= lagMaxMs) ?? newest;
      return offset >= (ends[partition] ?? 0);
    },
    start() {
      timer = setTimeout(goOn, LOOK_EVERY_MS);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
