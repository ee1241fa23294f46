/** Something that runs until it is stopped or fails. */
export interface Running {
  stop(): Promise<void>;
  /** Resolves with what it cannot go on after; never while it runs well. */
  readonly failed: Promise<Error>;
}

export interface StartedInBackground extends Running {
  /** Resolves once it runs. */
  readonly started: Promise<unknown>;
}

/**
 * Starts what may have to wait for servers, while signals are heard. A stop before that aborts `signal` and waits
 * until the start has ended; a start that fails is a failure.
 */
export function startInBackground(
  start: (signal: AbortSignal) => Promise<Running>,
): StartedInBackground {
  const starting = new AbortController();
  const started = start(starting.signal);
  return {
    started,
    failed: started.then(
      (running) => running.failed,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    ),
    async stop() {
      starting.abort();
      const running = await started.catch(() => null);
      await running?.stop();
    },
  };
}

/**
 * Work that cannot be ended, as waiting for a schema of a registry that is away, or the end of waiting for it; what
 * comes late is given back. Throws: the signal's reason once it aborts.
 */
export async function orAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
  giveBack: (late: T) => Promise<unknown>,
): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([aborted.promise, work]);
  } catch (error) {
    if (signal.aborted) work.then(giveBack).catch(() => undefined);
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
