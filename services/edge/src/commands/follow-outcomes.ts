import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { physicalName, type TopicName } from "@vigie/schemas/catalogue";
import type { Codecs, Decoder } from "@vigie/schemas/codec-core";
import type { SessionCommandResult, SessionEpoch } from "@vigie/schemas/types";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import {
  type FollowTarget,
  type LoneReader,
  openLoneReader,
} from "@vigie/stream/kafka/lone-reader";
import type { FetchedRecord } from "@vigie/stream/kafka/types";
import type { Outcomes } from "./outcomes.ts";

export interface FollowOutcomesOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly codecs: Codecs;
  readonly outcomes: Outcomes;
  readonly log: Logger;
  onState(up: boolean, why?: string): void;
}

export interface OutcomeFollower {
  stop(): Promise<void>;
}

const RETRY_MS = 500;
/** Nothing is lost with a connection that is not closed: a broker that is away is not waited for. */
const STOP_MAX_MS = 1_000;

/**
 * Delivers what the topics of outcomes tell from now on. What was told while this edge was down is asked of
 * PostgreSQL by those who want to know.
 */
export function followOutcomes(options: FollowOutcomesOptions): OutcomeFollower {
  const follower = new Follower(options);
  const running = follower.run();
  return {
    async stop() {
      follower.stop();
      await Promise.race([running, after(STOP_MAX_MS)]);
    },
  };
}

type Deliver = (value: Uint8Array) => Promise<void>;

class Follower {
  private readonly options: FollowOutcomesOptions;
  private readonly delivers: ReadonlyMap<string, Deliver>;
  /** Where to go on after a fault, by topic and partition. */
  private readonly positions = new Map<string, number>();
  private readonly stopped = Promise.withResolvers<void>();
  private isStopped = false;

  constructor(options: FollowOutcomesOptions) {
    this.options = options;
    const { outcomes, prefix } = options;
    const name = (topic: TopicName): string => physicalName(prefix, topic);
    this.delivers = new Map([
      [
        name("id.session.command.result"),
        this.deliverer<SessionCommandResult>("id.session.command.result", (result) =>
          outcomes.commands.deliver(result.command_id, result),
        ),
      ],
      [
        name("id.session.epoch"),
        this.deliverer<SessionEpoch>("id.session.epoch", (epoch) =>
          outcomes.epochs.deliver(epoch.epoch_id, epoch),
        ),
      ],
    ]);
  }

  stop(): void {
    this.isStopped = true;
    this.stopped.resolve();
  }

  async run(): Promise<void> {
    while (!this.isStopped) {
      try {
        const reader = await openLoneReader(this.options.client);
        try {
          await this.follow(reader);
        } finally {
          await reader.close();
        }
      } catch (error) {
        const why = messageOf(error);
        this.options.log.warn({ why }, "outcomes_interrupted");
        this.options.onState(false, why);
        // What is no longer in the topic is not waited for by anybody.
        this.positions.clear();
      }
      if (!this.isStopped) await Promise.race([after(RETRY_MS), this.stopped.promise]);
    }
  }

  /** Until it is stopped or something breaks. */
  private async follow(reader: LoneReader): Promise<void> {
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => undefined);
    const targets = await this.targets(reader);
    const following = await reader.follow(targets, {
      records: (records, { position }) => {
        for (const record of records) this.take(record);
        const [first] = records;
        if (first !== undefined) this.positions.set(placeOf(first), position);
      },
      failed: broken.reject,
      broker: (up, why) => this.options.onState(up, why),
    });
    this.options.onState(true);
    try {
      await Promise.race([this.stopped.promise, broken.promise]);
    } finally {
      following.stop();
    }
  }

  private async targets(reader: LoneReader): Promise<FollowTarget[]> {
    const targets: FollowTarget[] = [];
    for (const topic of this.delivers.keys()) {
      const ends = await reader.endOffsets(topic);
      ends.forEach((end, partition) => {
        const from = this.positions.get(placeOf({ topic, partition })) ?? end;
        targets.push({ topic, partition, from });
      });
    }
    return targets;
  }

  private take({ topic, value }: FetchedRecord): void {
    if (value === null) return;
    this.delivers
      .get(topic)?.(value)
      .catch((error: unknown) => {
        this.options.log.warn({ why: messageOf(error) }, "outcome_unreadable");
      });
  }

  private deliverer<V>(topic: TopicName, deliver: (value: V) => void): Deliver {
    const decoder: Decoder<V> = this.options.codecs.decoder<V>(topic);
    return async (value) => {
      let decoded = decoder.decode(value);
      while (decoded.kind === "later") {
        await decoded.ready;
        decoded = decoder.decode(value);
      }
      if (decoded.kind === "ok") deliver(decoded.value);
      else this.options.log.warn({ topic, outcome: decoded.kind }, "outcome_unreadable");
    };
  }
}

const placeOf = ({ topic, partition }: { topic: string; partition: number }): string =>
  `${topic}/${partition}`;

const after = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
