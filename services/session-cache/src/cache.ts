import { partitionOf, sessionKey, userKey } from "@vigie/core/keys";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import type { SessionState } from "@vigie/schemas/types";
import type { RedisStore, RedisValue } from "@vigie/service-kit/redis/redis";
import { fieldsOf, type Layout, layoutOf, partsOfKey } from "./layout.ts";
import { WRITE_SCRIPT } from "./write-script.ts";

/** One record of id.session.state; state null: forgotten. */
export interface CacheRecord {
  /** tenant|user|session */
  readonly key: string;
  readonly state: SessionState | null;
}

export interface PartitionWrite {
  readonly partition: number;
  readonly records: readonly CacheRecord[];
  /** Where the last write of this partition ended. */
  readonly fromOffset: number;
  /** Where reading goes on after this one. */
  readonly nextOffset: number;
  /** With these records all of the partition is in Redis, up to where it ended when the reading began. */
  readonly complete: boolean;
}

/** lost: Redis holds less than was written; reading goes on from heldOffset, and nothing was written. */
export type WriteResult =
  | { readonly kind: "taken" | "already" }
  | { readonly kind: "lost"; readonly partition: number; readonly heldOffset: number };

/** A partition that was not known to be complete for this long may be stale. Source: design, "less than 5 s behind". */
const FRESH_MS = 5_000;

/** unknown: not in Redis, or nobody vouches that Redis is complete: ask PostgreSQL. */
export type Liveness =
  | { readonly kind: "live"; readonly fields: Readonly<Record<string, string>> }
  | { readonly kind: "ended"; readonly status: string }
  | { readonly kind: "unknown" };

/** Every call throws VIG_REDIS_AWAY when Redis does not answer; a write may then have been taken. */
export interface SessionCache {
  write(writes: readonly PartitionWrite[]): Promise<readonly WriteResult[]>;
  /** Where reading goes on; null: nothing was ever written, or Redis lost its data. */
  offsets(partitions: readonly number[]): Promise<readonly (number | null)[]>;
  /** Nobody vouches for these partitions any more. `reset`: and they are read from the beginning. */
  distrust(partitions: readonly number[], reset?: boolean): Promise<void>;
  /** Whether a session lives, in one round trip. */
  liveness(tenantId: string, userId: string, sessionId: string): Promise<Liveness>;
  /** Ids of a user's live sessions. */
  sessionsOf(tenantId: string, userId: string): Promise<readonly string[]>;
  /** All live sessions of this installation; those that ran out since are taken off the list. */
  countActive(): Promise<number>;
}

export function createSessionCache(
  redis: RedisStore,
  clock: () => number = Date.now,
  partitions: number = PARTITIONS_DEFAULT,
): SessionCache {
  const layout = layoutOf(redis.key);
  return {
    async write(writes) {
      const calls = writes.map((write) => callOf(layout, write, clock()));
      const answers = await redis.scriptPipeline(WRITE_SCRIPT, calls);
      return writes.map(({ partition }, at) => resultOf(partition, answers[at]));
    },
    async offsets(asked) {
      if (asked.length === 0) return [];
      const fields = asked.map((partition) => `offset:${partition}`);
      const held = (await redis.command("HMGET", layout.progress, ...fields)) as (string | null)[];
      return held.map((offset) => (offset === null ? null : Number(offset)));
    },
    async distrust(asked, reset = false) {
      if (asked.length === 0) return;
      const fresh = asked.map((partition) => `fresh:${partition}`);
      const offsets = reset ? asked.map((partition) => `offset:${partition}`) : [];
      await redis.command("HDEL", layout.progress, ...fresh, ...offsets);
    },
    async liveness(tenantId, userId, sessionId) {
      const user = userKey(tenantId, userId);
      const [fresh, hash] = await redis.pipeline([
        ["HGET", layout.progress, `fresh:${partitionOf(user, partitions)}`],
        ["HGETALL", layout.session(sessionKey(tenantId, userId, sessionId))],
      ]);
      const ageMs = clock() - Number(fresh ?? Number.NEGATIVE_INFINITY);
      return livenessOf(ageMs <= FRESH_MS, hash);
    },
    async sessionsOf(tenantId, userId) {
      const key = layout.user(userKey(tenantId, userId));
      const ids = await redis.command("ZRANGEBYSCORE", key, `(${clock()}`, "+inf");
      return ids as string[];
    },
    async countActive() {
      const nowMs = clock();
      const [, count] = await redis.pipeline([
        ["ZREMRANGEBYSCORE", layout.live, "-inf", nowMs],
        ["ZCARD", layout.live],
      ]);
      return Number(count);
    },
  };
}

function callOf(
  layout: Layout,
  { partition, records, fromOffset, nextOffset, complete }: PartitionWrite,
  nowMs: number,
): { readonly keys: readonly string[]; readonly args: readonly RedisValue[] } {
  const keys = [layout.progress, layout.live];
  const args: RedisValue[] = [nowMs, partition, fromOffset, nextOffset, complete ? 1 : 0];
  for (const { key, state } of records) {
    const { user, sessionId } = partsOfKey(key);
    keys.push(layout.session(key), layout.user(user));
    if (state === null) {
      args.push(sessionId, 0, "", 0, 0, 0);
      continue;
    }
    const { version, status, idle_expires_at, absolute_expires_at } = state;
    const fields = fieldsOf(state);
    args.push(sessionId, version, status, idle_expires_at, absolute_expires_at, fields.length);
    args.push(...fields);
  }
  return { keys, args };
}

function resultOf(partition: number, answer: unknown): WriteResult {
  const [code, held] = answer as [number, number];
  if (code === -1) return { kind: "lost", partition, heldOffset: held };
  return { kind: code === 1 ? "taken" : "already" };
}

/** ioredis gives a hash of a plain call as a flat list. */
function livenessOf(fresh: boolean, hash: unknown): Liveness {
  const flat = hash as readonly string[];
  const fields: Record<string, string> = {};
  for (let at = 0; at < flat.length; at += 2) fields[flat[at] ?? ""] = flat[at + 1] ?? "";
  const { status } = fields;
  if (status === undefined) return { kind: "unknown" };
  // An end holds even while Redis is being filled; a life does not: its end may not have been read yet.
  if (status !== "ACTIVE") return { kind: "ended", status };
  return fresh ? { kind: "live", fields } : { kind: "unknown" };
}
