import { partitionOf, sessionKey, userKey } from "@vigie/core/keys";
import { SECOND_MS } from "@vigie/core/time";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import type { Channel, UserType } from "@vigie/schemas/types";
import type { RedisStore } from "../redis/redis.ts";
import { layoutOf, offsetField } from "./layout.ts";
import { endStatusOf, type Found, type SessionStore, type StoreAnswer } from "./session-store.ts";

/** Filled within milliseconds; one that lags more than this is not believed. */
const LAG_MAX_MS = 2 * SECOND_MS;

/** Read of a live session's hash, in this order. */
const FIELDS = [
  "status",
  "created_at",
  "last_seen_at",
  "absolute_expires_at",
  "channel",
  "roles",
  "user_type",
  "adopted",
  "risk_score",
  "org_id",
  "device_id",
  "country",
  "city",
  "step_up_required_at",
] as const;

/** Questions that go to Redis at once; its answer to so many takes it a millisecond or two. */
const BATCH_MAX = 256;

interface Question extends Names {
  readonly partition: number;
  readonly answered: (answer: StoreAnswer) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Sessions as the session cache keeps them in Redis; one round trip a question. Questions of requests that came in
 * together go together, which halves what one costs under load and delays none that is alone.
 */
export function redisSessions(redis: RedisStore, partitions = PARTITIONS_DEFAULT): SessionStore {
  const layout = layoutOf(redis.key);
  const offsetFields = Array.from({ length: partitions }, (_, partition) => offsetField(partition));
  let waiting: Question[] = [];

  function flush(): void {
    const questions = waiting;
    waiting = [];
    if (questions.length === 0) return;
    ask(questions).catch((error: unknown) => {
      for (const { failed } of questions) failed(error);
    });
  }

  async function ask(questions: readonly Question[]): Promise<void> {
    const [applied, ...answers] = await redis.pipeline([
      // The offsets first: what is read after them is at least as new.
      ["HMGET", layout.progress, ...offsetFields],
      ...questions.map(({ tenantId, userId, sessionId }) => {
        const key = layout.session(sessionKey(tenantId, userId, sessionId));
        return ["HMGET", key, ...FIELDS] as const;
      }),
    ]);
    const offsets = (applied as (string | null)[]).map(Number);
    for (const [at, question] of questions.entries()) {
      const { partition, answered } = question;
      const found = foundOf(question, answers[at] as (string | null)[]);
      answered({ found, partition, appliedOffset: offsets[partition] ?? 0 });
    }
  }

  return {
    lagMaxMs: LAG_MAX_MS,
    find: (tenantId, userId, sessionId) =>
      new Promise((answered, failed) => {
        const partition = partitionOf(userKey(tenantId, userId), partitions);
        waiting.push({ tenantId, userId, sessionId, partition, answered, failed });
        // After whatever else came in on this turn of the event loop.
        if (waiting.length === 1) setImmediate(flush);
        else if (waiting.length === BATCH_MAX) flush();
      }),
  };
}

interface Names {
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string;
}

function foundOf(
  { tenantId, userId, sessionId }: Names,
  fields: readonly (string | null)[],
): Found {
  const [status, createdAt, lastSeenAt, absoluteEnd, channel, roles, userType, adopted] = fields;
  const [riskScore, orgId, deviceId, country, city, stepUpAt] = fields.slice(8);
  if (status === null || status === undefined) return { kind: "none" };
  if (status !== "ACTIVE") return { kind: "ended", status: endStatusOf(status) };
  const createdAtMs = Number(createdAt);
  const session = {
    tenantId,
    userId,
    sessionId,
    orgId: orgId ?? null,
    roles: roles === "[]" ? [] : (JSON.parse(roles ?? "[]") as string[]),
    channel: (channel ?? "UNKNOWN") as Channel,
    startedAtMs: adopted === "true" ? null : createdAtMs,
    deviceId: deviceId ?? null,
    userType: (userType ?? "UNKNOWN") as UserType,
    country: country ?? null,
    city: city ?? null,
    createdAtMs,
    lastSeenMs: Number(lastSeenAt),
    absoluteExpiresAtMs: Number(absoluteEnd),
    stepUpRequiredAtMs: stepUpAt == null ? null : Number(stepUpAt),
    riskScore: Number(riskScore),
  };
  return { kind: "active", session };
}
