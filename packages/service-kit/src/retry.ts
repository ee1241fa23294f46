import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";

const FIRST_MS = 100;
const MAX_MS = 5_000;

export interface RetryOptions {
  readonly log: Logger;
  /** What is tried, for the log. */
  readonly what: string;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  /** Told of every fault, for health. */
  readonly onAway?: (why: VigError) => void;
  readonly firstMs?: number;
}

/**
 * Runs `work` until it succeeds, with growing pauses while what it needs is away.
 * Throws: an error that a retry cannot help; the last one once `signal` aborts.
 */
export async function retryWhileAway<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { log, what, signal, firstMs = FIRST_MS } = options;
  for (let waitMs = firstMs; ; waitMs = Math.min(2 * waitMs, MAX_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof VigError) || !error.retry || signal?.aborted) throw error;
      log.warn({ what, code: error.code, why: error.message, waitMs }, "waiting_for_dependency");
      options.onAway?.(error);
      await pause(waitMs, signal);
    }
  }
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
