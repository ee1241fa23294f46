import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { nameUuid } from "@vigie/service-kit/ids";
import type { RedisStore } from "@vigie/service-kit/redis/redis";
import type { Person } from "#person";

/** What is read of a person again and again, remembered for a while (GEO-23). */
export interface PersonCache<T> {
  /** From Redis, else by `load`, which is also asked while Redis is away. */
  read(person: Person, load: () => Promise<T>): Promise<T>;
  /**
   * Forgets, and remembers nothing for a while: to be called within a transaction that changes what `load` reads, so
   * that nobody puts back what they have read before its commit. Late in it: marked before, the mark would have to
   * outlive the whole transaction, of which statements alone have a limit. Throws: VIG_REDIS_AWAY.
   */
  forget(person: Person): Promise<void>;
}

export const REMEMBERED_MS = 5 * MINUTE_MS;
/** What took longer to read is not remembered. */
const LOADED_MAX_MS = 30 * SECOND_MS;
/** Longer than that and the commit together: whoever has read before is done by then. */
export const FORGOTTEN_MS = 2 * MINUTE_MS;
/** Stands where nothing may be remembered yet. */
const FORGOTTEN = "-";

/** A name that recognises a person and names nobody: one who is erased leaves "nothing may be remembered" behind. */
export const cacheName = ({ tenantId, userId }: Person): string =>
  `vigie:geo:${nameUuid(tenantId, "subject", userId)}`;

/** T goes through JSON and back unchanged. */
export function redisPersonCache<T>(redis: RedisStore, log: Logger): PersonCache<T> {
  const nameOf = (person: Person): string => redis.key(cacheName(person));
  const unlessAway = async (asked: Promise<unknown>): Promise<unknown> => {
    try {
      return await asked;
    } catch (error) {
      log.debug({ why: messageOf(error) }, "geo_cache_away");
      return null;
    }
  };
  return {
    async read(person, load) {
      const name = nameOf(person);
      const known = await unlessAway(redis.command("GET", name));
      if (typeof known === "string" && known !== FORGOTTEN) return JSON.parse(known) as T;
      const begunMs = performance.now();
      const loaded = await load();
      if (performance.now() - begunMs > LOADED_MAX_MS) return loaded;
      // NX: what a change has put there meanwhile stays.
      const text = JSON.stringify(loaded);
      await unlessAway(redis.command("SET", name, text, "PX", REMEMBERED_MS, "NX"));
      return loaded;
    },
    async forget(person) {
      await redis.command("SET", nameOf(person), FORGOTTEN, "PX", FORGOTTEN_MS);
    },
  };
}

/** Remembers nothing. */
export const noPersonCache: PersonCache<never> = {
  read: (_person, load) => load(),
  forget: async () => {},
};
