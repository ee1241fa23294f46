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
