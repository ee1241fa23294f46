import { setTimeout as pause } from "node:timers/promises";

/** Thrown while looking: waiting longer is of no use. */
export class Hopeless extends Error {}

const PAUSE_MS = 50;

/**
 * Looks again until `look` gives something other than null or undefined, and returns it.
 * Throws: after `deadlineMs`, with `what` and the last error of `look`; Hopeless at once.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined> | T | null | undefined,
  deadlineMs = 30_000,
  pauseMs = PAUSE_MS,
): Promise<T> {
  const startedMs = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const found = await within(Promise.resolve(look()), startedMs + deadlineMs);
      if (found !== null && found !== undefined) return found;
      last = undefined;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (performance.now() - startedMs > deadlineMs) {
      throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause: last });
    }
    await pause(pauseMs);
  }
}

/** What `looking` resolves with. Throws: at `endMs`, for who was asked may never answer. */
async function within<T>(looking: Promise<T>, endMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const restMs = Math.max(0, endMs - performance.now());
  const timer = setTimeout(() => reject(new Error("no answer")), restMs);
  try {
    return await Promise.race([looking, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks again until `holds` is true. */
export const untilTrue = async (
  what: string,
  holds: () => Promise<boolean> | boolean,
  deadlineMs?: number,
): Promise<void> => {
  await until(what, async () => ((await holds()) ? true : null), deadlineMs);
};
