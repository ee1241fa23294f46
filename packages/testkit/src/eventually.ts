import { vi } from "vitest";

/**
 * Asks again until `check` throws no more, and returns what it gives. The deadline is for what will never come: what
 * does come may take this long where other tests have the cores and the disk. No check may wait by itself for long.
 * Throws: what `check` threw last, if it ever answered.
 */
export const eventually = <T>(check: () => T | Promise<T>, deadlineMs = 45_000): Promise<T> =>
  vi.waitFor(check, { timeout: deadlineMs, interval: 10 });
