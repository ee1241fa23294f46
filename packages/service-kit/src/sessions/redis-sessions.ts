import { partitionOf, sessionKey, userKey } from "@vigie/core/keys";
import { SECOND_MS } from "@vigie/core/time";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import type { Channel, UserType } from "@vigie/schemas/types";
import type { RedisStore } from "../redis/redis.ts";
import { layoutOf, offsetField } from "./layout.ts";
import { endStatusOf, type Found, type SessionStore } from "./session-store.ts";

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

/** Sessions as the session cache keeps them in Redis; one round trip a question. */
export function redisSessions(redis: RedisStore, partitions = PARTITIONS_DEFAULT): SessionStore {
  const layout = layoutOf(redis.key);
  return {
    lagMaxMs: LAG_MAX_MS,
    async find(tenantId, userId, sessionId) {
      const partition = partitionOf(userKey(tenantId, userId), partitions);
      const name = layout.session(sessionKey(tenantId, userId, sessionId));
      // The offset first: what is read after it is at least as new.
      const [applied, fields] = await redis.pipeline([
        ["HGET", layout.progress, offsetField(partition)],
        ["HMGET", name, ...FIELDS],
      ]);
      const found = foundOf({ tenantId, userId, sessionId }, fields as (string | null)[]);
      return { found, partition, appliedOffset: Number(applied ?? 0) };
    },
  };
}

interface Names {
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string;
}

function foundOf(names: Names, fields: readonly (string | null)[]): Found {
  const [status, createdAt, lastSeenAt, absoluteEnd, channel, roles, userType, adopted] = fields;
  const [riskScore, orgId, deviceId, country, city, stepUpAt] = fields.slice(8);
  if (status === null || status === undefined) return { kind: "none" };
  if (status !== "ACTIVE") return { kind: "ended", status: endStatusOf(status) };
  const createdAtMs = Number(createdAt);
  const session = {
    ...names,
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
