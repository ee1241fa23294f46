import { assert } from "@vigie/core/assert";
import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Decoder } from "@vigie/schemas/codec-core";
import type { SessionState } from "@vigie/schemas/types";
import { retryWhileAway } from "@vigie/service-kit/retry";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { type RunningSink, startSink } from "@vigie/stream/kafka/sink";
import type { StreamObserver } from "@vigie/stream/observer";
import type { SessionCache } from "./cache.ts";
import { type CacheSink, createCacheSink, STATE_TOPIC } from "./cache-sink.ts";

export interface SessionCacheOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly memberIdFile: string | null;
  readonly cache: SessionCache;
  readonly decoder: Decoder<SessionState>;
  readonly log: Logger;
  readonly observer: StreamObserver;
  /** Whether Redis answers. */
  readonly onStore: (up: boolean, why?: string) => void;
  /** Whether records are taken. */
  readonly onWriting: (up: boolean, why?: string) => void;
}

/** One call of the script takes Redis a few ms at most, so that a reader still gets its answer within some. */
const BATCH_RECORDS_MAX = 200;
const BATCH_MS = 10;
/** How soon a Redis that lost its data is noticed while nothing new comes. */
const LOOK_INTERVAL_MS = 1_000;

export interface RunningCache {
  stop(): Promise<void>;
  /** Resolves with what the cache cannot go on after. */
  readonly failed: Promise<Error>;
}

/**
 * Keeps Redis filled from the topic of session states; begins anew by itself when Redis has lost its data.
 * Throws: VIG_BROKER_AWAY, VIG_TOPIC_MISSING.
 */
export async function startSessionCache(options: SessionCacheOptions): Promise<RunningCache> {
  const admin = await openAdmin(options.client);
  try {
    const keeper = new Keeper(options, admin);
    await keeper.begin();
    return keeper;
  } catch (error) {
    await admin.close();
    throw error;
  }
}

/** One sink after the other: a new one whenever Redis holds less than the last one wrote. */
class Keeper implements RunningCache {
  readonly #options: SessionCacheOptions;
  readonly #admin: KafkaAdmin;
  readonly #failure = Promise.withResolvers<Error>();
  #turn: Turn | null = null;
  #looking: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  readonly #stopping = new AbortController();

  constructor(options: SessionCacheOptions, admin: KafkaAdmin) {
    this.#options = options;
    this.#admin = admin;
  }

  get failed(): Promise<Error> {
    return this.#failure.promise;
  }

  async begin(): Promise<void> {
    await this.#open();
    this.#timer = setInterval(() => this.#lookOnce(), LOOK_INTERVAL_MS);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    await this.#looking;
    await this.#turn?.running.stop();
    await this.#admin.close();
  }

  #lookOnce(): void {
    if (this.#looking !== null) return;
    this.#looking = this.#look()
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#failure.resolve(asError(error));
      })
      .finally(() => {
        this.#looking = null;
      });
  }

  async #look(): Promise<void> {
    const { log, observer } = this.#options;
    const { signal } = this.#stopping;
    if ((await this.#isWhole()) || signal.aborted) return;
    log.warn({}, "cache.begins_anew");
    await this.#turn?.running.stop();
    this.#turn = null;
    const onAway = ({ message: why }: Error) =>
      observer.dependency({ name: "kafka", up: false, why });
    await retryWhileAway(() => this.#open(), { log, what: "kafka", signal, onAway });
  }

  /** true also while Redis is away: nothing can be said then, and the sink waits by itself. */
  async #isWhole(): Promise<boolean> {
    const { onStore } = this.#options;
    try {
      const whole = (await this.#turn?.sink.isWhole()) ?? false;
      onStore(true);
      return whole;
    } catch (error) {
      onStore(false, messageOf(error));
      return true;
    }
  }

  async #open(): Promise<void> {
    const turn = await open(this.#options, this.#admin);
    this.#turn = turn;
    turn.running.failed.then(this.#failure.resolve, this.#failure.resolve);
  }
}

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error));

interface Turn {
  readonly sink: CacheSink;
  readonly running: RunningSink;
}

async function open(options: SessionCacheOptions, admin: KafkaAdmin): Promise<Turn> {
  const { client, prefix, cache, decoder, log, observer, onWriting, memberIdFile } = options;
  const topic = prefix + STATE_TOPIC;
  const ends = { stable: () => admin.stableOffsets(topic), low: () => admin.lowOffsets(topic) };
  const made: CacheSink[] = [];
  // What the turn before could not write is this one's to read again.
  onWriting(true);
  const running = await startSink({
    client,
    groupId: `${prefix}vigie.session-cache`,
    topics: [STATE_TOPIC],
    prefix,
    service: "session-cache",
    sink: (context) => {
      const sink = createCacheSink({ cache, decoder, ends, log }, context);
      made.push(sink);
      return sink;
    },
    log,
    observer,
    batchRecordsMax: BATCH_RECORDS_MAX,
    batchMs: BATCH_MS,
    memberIdFile,
    onWriting,
  });
  const [sink] = made;
  assert(sink !== undefined, "the sink was made at its start");
  return { sink, running };
}
