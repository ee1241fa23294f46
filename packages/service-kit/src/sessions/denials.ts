import type { VigCode } from "@vigie/core/catalogue";
import { partitionOf, userKey } from "@vigie/core/keys";
import type { Logger } from "@vigie/core/log";
import { type Clock, SECOND_MS } from "@vigie/core/time";
import type { Codecs, Decoder } from "@vigie/schemas/codec-core";
import type { SessionEpoch } from "@vigie/schemas/types";
import type { Following, FollowTarget, LoneReader } from "@vigie/stream/kafka/lone-reader";
import type { FetchedRecord } from "@vigie/stream/kafka/types";
import { type DenialBook, REVOKED_FIELDS, type RevokedRecord } from "./denial-book.ts";
import { createTopicEnds, type TopicEnds } from "./topic-ends.ts";

const REVOKED = "id.session.revoked";
const EPOCHS = "id.session.epoch";
/** They are followed within milliseconds; whoever lags more than this may have missed one. */
const FOLLOW_LAG_MAX_MS = 2 * SECOND_MS;

export interface DenialsOptions {
  readonly book: DenialBook;
  /** Stays open: it is its owner's to close. */
  readonly reader: LoneReader;
  readonly prefix: string;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly log: Logger;
  onBroker(up: boolean, why?: string): void;
}

export interface Denials {
  /** Whether all is known that could deny a session of this user, but for the last 2 s at most. */
  isCurrent(tenantId: string, userId: string): boolean;
  stop(): void;
  /** Resolves when the topics cannot be followed any more. */
  readonly failed: Promise<Error>;
}

/**
 * Reads all revocations and epochs that are retained into the book, and follows them from then on: in no group, every process all.
 * Throws: VIG_BROKER_AWAY, VIG_TOPIC_MISSING.
 */
export async function followDenials(options: DenialsOptions): Promise<Denials> {
  const follower = new Follower(options);
  await follower.open();
  return follower;
}

class Follower implements Denials {
  readonly #options: DenialsOptions;
  readonly #failure = Promise.withResolvers<Error>();
  readonly #topics: readonly FollowedTopic[];
  #following: Following | null = null;

  constructor(options: DenialsOptions) {
    const { book, codecs } = options;
    this.#options = options;
    const revoked = codecs.decoder<RevokedRecord>(REVOKED, { fields: REVOKED_FIELDS });
    const epochs = codecs.decoder<SessionEpoch>(EPOCHS);
    this.#topics = [
      new FollowedTopic(
        options,
        REVOKED,
        takeWith(revoked, (r) => book.takeRevocation(r)),
      ),
      new FollowedTopic(
        options,
        EPOCHS,
        takeWith(epochs, (e) => book.takeEpoch(e)),
      ),
    ];
  }

  get failed(): Promise<Error> {
    return this.#failure.promise;
  }

  async open(): Promise<void> {
    const { reader, onBroker: broker } = this.#options;
    const targets = await Promise.all(this.#topics.map((topic) => topic.readWhole(reader)));
    const byName = new Map(this.#topics.map((topic) => [topic.physicalName, topic]));
    this.#following = await reader.follow(targets.flat(), {
      records: (records, { position }, { topic, partition }) => {
        byName.get(topic)?.take(records, partition, position);
      },
      failed: (error) => this.#failure.resolve(error),
      broker,
    });
    for (const topic of this.#topics) topic.ends.start();
  }

  isCurrent(tenantId: string, userId: string): boolean {
    const [revoked, epochs] = this.#topics;
    if (revoked === undefined || epochs === undefined) return false;
    const partition = partitionOf(userKey(tenantId, userId), revoked.partitions);
    return revoked.isCurrent(partition) && epochs.isCurrent(0);
  }

  stop(): void {
    for (const topic of this.#topics) topic.ends.stop();
    this.#following?.stop();
  }
}

/** Takes the value of one record. Resolves to the code of what is wrong with it, or null. */
type Take = (value: Buffer) => Promise<VigCode | null>;

const takeWith =
  <V>(decoder: Decoder<V>, take: (value: V) => void): Take =>
  async (value) => {
    let outcome = decoder.decode(value);
    while (outcome.kind === "later") {
      await outcome.ready;
      outcome = decoder.decode(value);
    }
    if (outcome.kind === "ok") take(outcome.value);
    return outcome.kind === "dlq" ? outcome.code : null;
  };

/** A topic whose records are taken in order, and how far they are. */
class FollowedTopic {
  readonly physicalName: string;
  readonly ends: TopicEnds;
  readonly #take: Take;
  readonly #log: Logger;
  #positions: number[] = [];
  /** One chunk after another, also when one waits for its schema. */
  #taken: Promise<void> = Promise.resolve();

  constructor({ reader, prefix, clock, log }: DenialsOptions, name: string, take: Take) {
    this.physicalName = prefix + name;
    const stable = () => reader.stableOffsets(this.physicalName);
    this.ends = createTopicEnds({ stable, clock, log });
    this.#take = take;
    this.#log = log;
  }

  get partitions(): number {
    return this.#positions.length;
  }

  isCurrent(partition: number): boolean {
    return this.ends.isCurrent(partition, this.#positions[partition] ?? 0, FOLLOW_LAG_MAX_MS);
  }

  /** Returns: where to go on. */
  async readWhole(reader: LoneReader): Promise<FollowTarget[]> {
    const topic = this.physicalName;
    const low = await reader.lowOffsets(topic);
    this.#positions = low.map(() => 0);
    const reached = await Promise.all(
      low.map((from, partition) =>
        reader.read({ topic, partition, from, to: "end" }, (records, { position }) =>
          this.take(records, partition, position),
        ),
      ),
    );
    await this.#taken;
    this.#positions = [...reached];
    await this.ends.look();
    return reached.map((from, partition) => ({ topic, partition, from }));
  }

  take(records: readonly FetchedRecord[], partition: number, position: number): void {
    this.#taken = this.#taken.then(async () => {
      for (const record of records) await this.#takeOne(record);
      this.#positions[partition] = position;
    });
  }

  async #takeOne({ topic, partition, offset, value }: FetchedRecord): Promise<void> {
    const code = value === null ? null : await this.#take(value);
    if (code !== null) this.#log.error({ topic, partition, offset, code }, "denial_unreadable");
  }
}
