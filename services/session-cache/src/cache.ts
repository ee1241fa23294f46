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
  /** The partition is complete once this offset is reached; null: it was already. */
  readonly readyAtOffset: number | null;
}

/** lost: Redis holds less than was written; reading goes on from heldOffset, and nothing was written. */
export type WriteResult =
  | { readonly kind: "taken" | "already" }
  | { readonly kind: "lost"; readonly partition: number; readonly heldOffset: number };

export interface Progress {
  /** null: nothing was ever written, or Redis lost its data. */
  readonly offset: number | null;
  readonly ready: boolean;
}

/** unknown: not in Redis, or Redis has not been filled yet: ask PostgreSQL. */
export type Liveness =
  | { readonly kind: "live"; readonly fields: Readonly<Record<string, string>> }
  | { readonly kind: "ended"; readonly status: string }
  | { readonly kind: "unknown" };

/** Every call throws VIG_REDIS_AWAY when Redis does not answer; a write may then have been taken. */
export interface SessionCache {
  write(writes: readonly PartitionWrite[]): Promise<readonly WriteResult[]>;
  progress(partitions: readonly number[]): Promise<readonly Progress[]>;
  markReady(partition: number): Promise<void>;
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
    async progress(asked) {
      const fields = asked.flatMap((partition) => [`offset:${partition}`, `ready:${partition}`]);
      if (fields.length === 0) return [];
      const held = (await redis.command("HMGET", layout.progress, ...fields)) as (string | null)[];
      return asked.map((_, at) => {
        const offset = held[2 * at] ?? null;
        return {
          offset: offset === null ? null : Number(offset),
          ready: held[2 * at + 1] === "1",
        };
      });
    },
    async markReady(partition) {
      await redis.command("HSET", layout.progress, `ready:${partition}`, "1");
    },
    async liveness(tenantId, userId, sessionId) {
      const user = userKey(tenantId, userId);
      const [ready, hash] = await redis.pipeline([
        ["HGET", layout.progress, `ready:${partitionOf(user, partitions)}`],
        ["HGETALL", layout.session(sessionKey(tenantId, userId, sessionId))],
      ]);
      return livenessOf(ready === "1", hash);
    },
    async sessionsOf(tenantId, userId) {
      const key = layout.user(userKey(tenantId, userId));
      const ids = await redis.command("ZRANGE", key, `(${clock()}`, "+inf", "BYSCORE");
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
  { partition, records, fromOffset, nextOffset, readyAtOffset }: PartitionWrite,
  nowMs: number,
): { readonly keys: readonly string[]; readonly args: readonly RedisValue[] } {
  const keys = [layout.progress, layout.live];
  const args: RedisValue[] = [nowMs, partition, fromOffset, nextOffset, readyAtOffset ?? -1];
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
function livenessOf(ready: boolean, hash: unknown): Liveness {
  const flat = hash as readonly string[];
  const fields: Record<string, string> = {};
  for (let at = 0; at < flat.length; at += 2) fields[flat[at] ?? ""] = flat[at + 1] ?? "";
  const { status } = fields;
  if (status === undefined) return { kind: "unknown" };
  // An end holds even while Redis is being filled; a life does not: its end may not have been read yet.
  if (status !== "ACTIVE") return { kind: "ended", status };
  return ready ? { kind: "live", fields } : { kind: "unknown" };
}
