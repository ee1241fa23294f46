import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Outages } from "@vigie/core/outages";
import type { Clock } from "@vigie/core/time";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { Parsed } from "../config.ts";
import type { Health } from "../health.ts";
import type { redisOrLessConfig } from "../http-config.ts";
import type { PolicyBook } from "../policy-book.ts";
import type { Database } from "../postgres/database.ts";
import { openRedis, type RedisStore } from "../redis/redis.ts";
import type { prefixConfig } from "../shared-config.ts";
import type { Closable } from "../shutdown.ts";
import { type OpenedView, openSessionView } from "./open-view.ts";

/** Redis answers within a millisecond, or PostgreSQL is asked. */
const REDIS_TIMEOUT_MS = 500;

export interface ServiceView extends Pick<OpenedView, "view" | "book" | "failed"> {
  /** In the order in which they are to be closed. */
  readonly closables: readonly Closable[];
}

export interface ServiceViewOptions {
  readonly service: string;
  readonly config: Parsed<typeof redisOrLessConfig & typeof prefixConfig>;
  readonly client: KafkaClient;
  readonly codecs: Codecs;
  /** Null: not configured. */
  readonly database: Database | null;
  readonly policies: PolicyBook;
  outagesOf(partition: number): Outages;
  readonly clock: Clock;
  readonly log: Logger;
  readonly health: Health;
}

/** Whether sessions live, by whatever of Redis and PostgreSQL is configured. */
export function openServiceView(options: ServiceViewOptions): ServiceView {
  const { config, policies, health } = options;
  const redis = openLiveRedis(options);
  health.declare("revocations");
  const opened = openSessionView({
    ...options,
    redis,
    prefix: config.VIGIE_TOPIC_PREFIX,
    policyOf(tenantId) {
      if (policies.ready) return policies.of(tenantId).document;
      throw new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "policies are still being read" });
    },
    onFollowing: (up, why) => health.set("revocations", up, why),
  });
  const closables = redis === null ? [opened] : [opened, redis];
  return { view: opened.view, book: opened.book, failed: opened.failed, closables };
}

/** A connection of its own: rate limits may take longer, and must not be what liveness waits for. */
function openLiveRedis({ service, config, log }: ServiceViewOptions): RedisStore | null {
  if (config.REDIS_URL === null) return null;
  return openRedis({
    url: config.REDIS_URL,
    caPath: config.REDIS_SSL_CA,
    prefix: config.VIGIE_TOPIC_PREFIX,
    connectionName: `${service}-liveness`,
    log,
    commandTimeoutMs: REDIS_TIMEOUT_MS,
  });
}
