import type { SessionState } from "@vigie/schemas/types";
import type { RedisStore, RedisValue } from "@vigie/service-kit/redis/redis";
import {
  keptUntilMs,
  type Layout,
  layoutOf,
  offsetField,
} from "@vigie/service-kit/sessions/layout";
import { textOf } from "@vigie/service-kit/sessions/session-text";
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
}

/** lost: Redis holds less than was written; reading goes on from heldOffset, and nothing was written. */
export type WriteResult =
  | { readonly kind: "taken" | "already" }
  | { readonly kind: "lost"; readonly partition: number; readonly heldOffset: number };

/** Every call throws VIG_REDIS_AWAY when Redis does not answer; a write may then have been taken. */
export interface SessionCache {
  write(writes: readonly PartitionWrite[]): Promise<readonly WriteResult[]>;
  /** Where reading goes on; null: nothing was ever written, or Redis lost its data. */
  offsets(partitions: readonly number[]): Promise<readonly (number | null)[]>;
  /** These partitions are to be read from the beginning: from now on no reader believes what lies here. */
  reset(partitions: readonly number[]): Promise<void>;
  /** All live sessions of this installation; those that ran out since are taken off the list. */
  countActive(): Promise<number>;
}

export function createSessionCache(
  redis: RedisStore,
  clock: () => number = Date.now,
): SessionCache {
  const layout = layoutOf(redis.key);
  const writeOne = redis.script(WRITE_SCRIPT);
  return {
    async write(writes) {
      const nowMs = clock();
      return Promise.all(
        writes.map(async (each) => {
          const { keys, args } = callOf(layout, each, nowMs);
          return resultOf(each.partition, await writeOne(keys, args));
        }),
      );
    },
    async offsets(asked) {
      if (asked.length === 0) return [];
      const fields = asked.map(offsetField);
      const held = (await redis.command("HMGET", layout.progress, ...fields)) as (string | null)[];
      return held.map((offset) => (offset === null ? null : Number(offset)));
    },
    async reset(asked) {
      if (asked.length === 0) return;
      await redis.command("HDEL", layout.progress, ...asked.map(offsetField));
    },
    async countActive() {
      await redis.command("ZREMRANGEBYSCORE", layout.live, "-inf", clock());
      return Number(await redis.command("ZCARD", layout.live));
    },
  };
}

function callOf(
  layout: Layout,
  { partition, records, fromOffset, nextOffset }: PartitionWrite,
  nowMs: number,
): { readonly keys: readonly string[]; readonly args: readonly RedisValue[] } {
  const keys = [layout.progress, layout.live];
  const args: RedisValue[] = [nowMs, partition, fromOffset, nextOffset];
  for (const { key, state } of records) {
    keys.push(layout.session(key));
    if (state === null) {
      args.push(0, "", 0, 0, "");
      continue;
    }
    const { version, status, idle_expires_at, absolute_expires_at } = state;
    const kept = status === "ACTIVE" ? keptUntilMs(state) : absolute_expires_at;
    args.push(version, status, idle_expires_at, kept, textOf(state));
  }
  return { keys, args };
}

function resultOf(partition: number, answer: unknown): WriteResult {
  const [code, held] = answer as [number, number];
  if (code === -1) return { kind: "lost", partition, heldOffset: held };
  return { kind: code === 1 ? "taken" : "already" };
}
