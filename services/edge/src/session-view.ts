import { VigError } from "@vigie/core/errors";
import type { Codecs } from "@vigie/schemas/codec-core";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import { type OpenedView, openSessionView } from "@vigie/service-kit/sessions/open-view";
import type { Closable } from "@vigie/service-kit/shutdown";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { EdgeContext } from "./context.ts";
import type { Wiring } from "./wiring.ts";

/** Redis answers within a millisecond, or PostgreSQL is asked. */
const REDIS_TIMEOUT_MS = 500;

export interface EdgeView extends Pick<OpenedView, "view" | "failed"> {
  /** In the order in which they are to be closed. */
  readonly closables: readonly Closable[];
}

type Parts = Pick<EdgeContext, "database" | "policies" | "outagesOf"> & {
  readonly client: KafkaClient;
  readonly codecs: Codecs;
};

/** Whether sessions live, by whatever of Redis and PostgreSQL is configured. */
export function openEdgeView(wiring: Wiring, parts: Parts): EdgeView {
  const { config, clock, log, health } = wiring;
  const { policies } = parts;
  const redis = openLiveRedis(wiring);
  health.declare("revocations");
  const opened = openSessionView({
    ...parts,
    redis,
    prefix: config.VIGIE_TOPIC_PREFIX,
    policyOf(tenantId) {
      if (policies.ready) return policies.of(tenantId).document;
      throw new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "policies are still being read" });
    },
    clock,
    log,
    onFollowing: (up, why) => health.set("revocations", up, why),
  });
  const closables = redis === null ? [opened] : [opened, redis];
  return { view: opened.view, failed: opened.failed, closables };
}

/** A connection of its own: rate limits may take longer, and must not be what liveness waits for. */
function openLiveRedis({ config, log }: Wiring): RedisStore | null {
  if (config.REDIS_URL === null) return null;
  return openRedis({
    url: config.REDIS_URL,
    caPath: config.REDIS_SSL_CA,
    prefix: config.VIGIE_TOPIC_PREFIX,
    connectionName: "edge-liveness",
    log,
    commandTimeoutMs: REDIS_TIMEOUT_MS,
  });
}
