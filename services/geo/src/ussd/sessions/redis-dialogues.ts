import type { RedisStore } from "@vigie/service-kit/redis/redis";
import type { DialogueStore, Kept, Lifetimes } from "./dialogue-store.ts";

/** KEYS: dialogue, its id's marker. ARGV: version before ("" for none), version, text, idle, used. */
const SWAP = `
  local held = redis.call('HGET', KEYS[1], 'version') or ''
  if held ~= ARGV[1] then return 0 end
  if held == '' and redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
  redis.call('HSET', KEYS[1], 'version', ARGV[2], 'kept', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[5])
  return 1`;

/** KEYS: dialogue, its id's marker. One script: a dialogue that begins between two commands would look as if it were over. */
const READ = "return { redis.call('HGET', KEYS[1], 'kept'), redis.call('EXISTS', KEYS[2]) }";

export function redisDialogues(redis: RedisStore, { idleMs, usedMs }: Lifetimes): DialogueStore {
  const swap = redis.script(SWAP);
  const read = redis.readScript(READ);
  // In braces: both keys of a dialogue are on one server of a cluster.
  const keysOf = (name: string): [string, string] => {
    const key = redis.key(`vigie:geo:ussd:{${name}}`);
    return [key, `${key}:used`];
  };
  return {
    async read(name) {
      const [kept, used] = (await read(keysOf(name), [])) as [string | null, number];
      if (kept !== null) return JSON.parse(kept) as Kept;
      return used === 1 ? "over" : null;
    },
    async swap(name, next) {
      const before = next.version === 1 ? "" : next.version - 1;
      const args = [before, next.version, JSON.stringify(next), idleMs, usedMs];
      return (await swap(keysOf(name), args)) === 1;
    },
  };
}
