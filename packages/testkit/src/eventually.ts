import { vi } from "vitest";

/**
 * Asks again until `check` throws no more, and returns what it gives. The deadline is for what will never come: what
 * does come may take this long where other tests have the cores and the disk.
 * Throws: what `check` threw last.
 */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 45_000, interval: 10 });
