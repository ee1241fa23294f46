import { type Clock, SECOND_MS } from "@vigie/core/time";
import type { DialogueStore, Kept } from "./dialogue-store.ts";

/** A callback whose process died, or has not reached Redis for so long, is answered anew after this. */
export const LEASE_MS = 10 * SECOND_MS;
/** A renewal may fail, and the next one is in time. */
export const RENEW_MS = LEASE_MS / 4;

/** Calls `work` each `ms` until what it returns is called. */
export type Every = (ms: number, work: () => void) => () => void;

export const everyReal: Every = (ms, work) => {
  const timer = setInterval(work, ms).unref();
  return () => clearInterval(timer);
};

export interface Lease {
  /** Ends it, once or more. Returns: the version to keep the dialogue under; it is not kept if the lease was lost meanwhile. */
  end(): Promise<number>;
}

/**
 * Claims a dialogue for as long as its callback is being answered: a step may wait for PostgreSQL, the broker and Redis
 * in turn, and no fixed time outlasts them all without holding up the caller whose process died.
 * Returns: null when another callback was faster. Throws: VIG_REDIS_AWAY.
 */
export async function claim(
  { store, clock, every }: { store: DialogueStore; clock: Clock; every: Every },
  name: string,
  kept: Kept,
): Promise<Lease | null> {
  const swapped = async ({ version }: Kept): Promise<Kept | null> => {
    const next = { ...kept, version: version + 1, busyUntilMs: clock() + LEASE_MS };
    return (await store.swap(name, next)) ? next : null;
  };
  const claimed = await swapped(kept);
  if (claimed === null) return null;
  let last = claimed;
  let renewing: Promise<void> | null = null;
  const renew = async (): Promise<void> => {
    last = (await swapped(last).catch(() => null)) ?? last;
    renewing = null;
  };
  const stop = every(RENEW_MS, () => {
    renewing ??= renew();
  });
  return {
    async end() {
      stop();
      await renewing;
      return last.version + 1;
    },
  };
}
