import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Outages } from "@vigie/core/outages";
import type { PolicyDocument } from "@vigie/core/policy";
import type { Clock } from "@vigie/core/time";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import type { Database } from "../postgres/database.ts";
import type { RedisStore } from "../redis/redis.ts";
import { retryWhileAway } from "../retry.ts";
import {
  orAborted,
  type Running,
  type StartedInBackground,
  startInBackground,
} from "../start-in-background.ts";
import { DenialBook } from "./denial-book.ts";
import { followDenials } from "./denials.ts";
import { postgresSessions } from "./postgres-sessions.ts";
import { redisSessions } from "./redis-sessions.ts";
import { restingStore } from "./resting-store.ts";
import { createSessionView } from "./session-view.ts";
import { createTopicEnds } from "./topic-ends.ts";
import type { SessionView } from "./view.ts";

export interface OpenViewOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly codecs: Codecs;
  /** Null: not configured; with neither nobody vouches for a session. */
  readonly redis: RedisStore | null;
  readonly database: Database | null;
  policyOf(tenantId: string): PolicyDocument;
  outagesOf(partition: number): Outages;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether revocations and epochs are followed. */
  onFollowing(up: boolean, why?: string): void;
}

export interface OpenedView extends StartedInBackground {
  readonly view: SessionView;
  /** What the view denies, whatever a store says; others may tell it of what they hear first. */
  readonly book: Pick<DenialBook, "takeResult" | "takeEpoch">;
}

/** A view of real servers. Until revocations and epochs have been read whole it is sure of no session. */
export function openSessionView(options: OpenViewOptions): OpenedView {
  const { log, onFollowing } = options;
  const book = new DenialBook(options.clock);
  let started: Following | null = null;
  const running = startInBackground(async (signal) => {
    const onAway = (error: Error): void => onFollowing(false, error.message);
    const work = () => orAborted(follow(options, book), signal, (late) => late.stop());
    started = await retryWhileAway(work, { log, what: "revocations", signal, onAway });
    onFollowing(true);
    log.info({ revocations: book.revocations }, "revocations_read");
    return started;
  });
  const unsure = (): VigError =>
    new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "revocations are still being read" });
  const view: SessionView = {
    resolve(name) {
      if (started === null) return Promise.reject(unsure());
      return started.view.resolve(name);
    },
    resolveById(tenantId, sessionId) {
      if (started === null) return Promise.reject(unsure());
      return started.view.resolveById(tenantId, sessionId);
    },
    denialOf(session) {
      if (started === null) throw unsure();
      return started.view.denialOf(session);
    },
  };
  return { ...running, view, book };
}

interface Following extends Running {
  readonly view: SessionView;
}

const STATE_TOPIC = "id.session.state";

async function follow(options: OpenViewOptions, book: DenialBook): Promise<Following> {
  const { client, prefix, redis, database, clock, log } = options;
  const reader = await openLoneReader(client);
  const stable = () => reader.stableOffsets(prefix + STATE_TOPIC);
  const ends = createTopicEnds({ stable, clock, log });
  try {
    const denials = await followDenials({
      ...options,
      book,
      reader,
      onBroker: options.onFollowing,
    });
    await ends.look();
    ends.start();
    const rows = database === null ? null : postgresSessions(database);
    const stores = [redis === null ? [] : redisSessions(redis, clock), rows ?? []].flat();
    const view = createSessionView({
      ...options,
      stores: stores.map((store) => restingStore(store, clock)),
      book,
      isBookCurrent: (tenantId, userId) => denials.isCurrent(tenantId, userId),
      ends,
      ownerOf: async (tenantId, sessionId) => {
        if (rows !== null) return rows.ownerOf(tenantId, sessionId);
        throw new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "no database is configured" });
      },
    });
    const stop = async (): Promise<void> => {
      ends.stop();
      denials.stop();
      await reader.close();
    };
    return { view, failed: denials.failed, stop };
  } catch (error) {
    await reader.close();
    throw error;
  }
}
