import type { Logger } from "@vigie/core/log";
import type { RedisStore } from "../redis/redis.ts";
import type { SharedDebt } from "./rate-limit.ts";

/** Where all instances put their debts together. */
export interface DebtBook {
  /**
   * Adds to each key's debt and answers what it is then, in milliseconds, in the order given.
   * Rejects while the book is away.
   */
  add(debts: readonly (readonly [key: string, addMs: number])[]): Promise<readonly number[]>;
}

/**
 * How often debts are put together. Between two times each sees the others' work late, so N instances may let
 * through (N - 1) x 200 ms of a rate more than it says.
 */
const SHARE_EVERY_MS = 200;
/** One call of the book; more keys go into the next. */
const KEYS_A_CALL_MAX = 1_000;

export interface SharedLimit {
  /** Puts debts together now; the timer does so too. Never rejects. */
  share(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Keeps a local limiter in step with those of other processes, beside the requests: no request waits for Redis.
 * While the book is away the limiter goes on alone; debts of that time are not carried over.
 */
export function shareLimit(
  limiter: SharedDebt,
  book: DebtBook,
  options: {
    readonly log: Logger;
    readonly everyMs?: number;
  },
): SharedLimit {
  const { log } = options;
  let away = false;
  let running: Promise<void> | null = null;
  const once = async (): Promise<void> => {
    const debts = [...limiter.drain()];
    try {
      for (let from = 0; from < debts.length; from += KEYS_A_CALL_MAX) {
        const part = debts.slice(from, from + KEYS_A_CALL_MAX);
        const owed = await book.add(part);
        for (const [index, [key]] of part.entries()) limiter.learn(key, owed[index] ?? 0);
      }
      if (away) log.info({}, "shared_limits_back");
      away = false;
    } catch {
      if (!away) log.warn({}, "shared_limits_away");
      away = true;
    }
  };
  const share = (): Promise<void> => {
    running ??= once().finally(() => {
      running = null;
    });
    return running;
  };
  limiter.drain();
  const timer = setInterval(() => void share(), options.everyMs ?? SHARE_EVERY_MS).unref();
  return {
    share,
    async close() {
      clearInterval(timer);
      await running;
    },
  };
}

/** A debt is a time in Redis' own clock at which it is paid off; the key goes then. */
const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local owed = {}
for i, key in ipairs(KEYS) do
  local paid = tonumber(redis.call('GET', key) or '0')
  if paid < now then paid = now end
  paid = paid + tonumber(ARGV[i])
  redis.call('SET', key, string.format('%.3f', paid), 'PX', math.ceil(paid - now) + 1)
  owed[i] = string.format('%.3f', paid - now)
end
return owed`;

/** The book in Redis. */
export function redisDebtBook(redis: RedisStore): DebtBook {
  const run = redis.script(SCRIPT);
  return {
    async add(debts) {
      if (debts.length === 0) return [];
      const keys = debts.map(([key]) => redis.key(`limit:${key}`));
      const amounts = debts.map(([, addMs]) => addMs);
      const owed = await run(keys, amounts);
      return Array.isArray(owed) ? owed.map(Number) : [];
    },
  };
}
