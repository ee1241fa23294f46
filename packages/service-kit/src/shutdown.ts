import type { Logger } from "@vigie/core/log";

/** Anything with an end: a server, a producer, a running processor. */
export type Closable = { close(): Promise<unknown> } | { stop(): Promise<unknown> };

/** What runUntilSignal needs of a process; `process` itself fits. */
export interface SignalSource {
  on(event: string, listener: (thrown: unknown) => void): unknown;
  off(event: string, listener: (thrown: unknown) => void): unknown;
  exit(code: number): void;
}

export interface RunOptions {
  readonly log: Logger;
  /** What is in flight is finished within this, else the process exits 1. Under 10 s. */
  readonly drainTimeoutMs: number;
  /** Resolves or rejects when the service cannot go on: logged, drained, exit 1. */
  readonly failed?: readonly Promise<unknown>[];
  readonly process?: SignalSource;
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Runs until SIGTERM or SIGINT, then closes what it was given in that order within the deadline and
 * exits 0. A second signal exits at once. An uncaught error, or one of `failed`, is logged and the
 * process exits 1. Resolves after the exit code was given to the process, which matters to tests
 * only.
 */
export function runUntilSignal(closables: readonly Closable[], options: RunOptions): Promise<void> {
  const { log } = options;
  const host = options.process ?? (process as SignalSource);
  return new Promise((resolve) => {
    let stopping = false;
    const listeners = new Map<string, (thrown: unknown) => void>();
    const exit = (code: number): void => {
      for (const [event, listener] of listeners) host.off(event, listener);
      host.exit(code);
      resolve();
    };
    const stop = (code: number): void => {
      if (stopping) {
        exit(1);
        return;
      }
      stopping = true;
      drain(closables, options).then(
        (drained) => exit(drained ? code : 1),
        () => exit(1),
      );
    };
    const crash = (thrown: unknown): void => {
      log.fatal({ err: thrown }, "uncaught_error");
      exit(1);
    };
    for (const signal of SIGNALS) {
      listeners.set(signal, () => {
        log.info({ signal }, "stopping");
        stop(0);
      });
    }
    listeners.set("uncaughtException", crash);
    listeners.set("unhandledRejection", crash);
    for (const [event, listener] of listeners) host.on(event, listener);
    const fail = (why: unknown): void => {
      if (stopping) return;
      log.fatal({ err: why }, "service_failed");
      stop(1);
    };
    for (const failed of options.failed ?? []) failed.then(fail, fail);
  });
}

/** Whether everything closed in time and without an error. */
async function drain(closables: readonly Closable[], options: RunOptions): Promise<boolean> {
  const { log, drainTimeoutMs } = options;
  const startedMs = performance.now();
  const { promise: late, resolve: expire } = Promise.withResolvers<"late">();
  const timer = setTimeout(expire, drainTimeoutMs, "late");
  const closed = closeAll(closables, log);
  const outcome = await Promise.race([closed, late]);
  clearTimeout(timer);
  const drainMs = Math.round(performance.now() - startedMs);
  if (outcome === "late") log.error({ drainMs }, "drain_deadline_missed");
  else log.info({ drainMs, clean: outcome }, "stopped");
  return outcome === true;
}

async function closeAll(closables: readonly Closable[], log: Logger): Promise<boolean> {
  let clean = true;
  for (const closable of closables) {
    try {
      await ("close" in closable ? closable.close() : closable.stop());
    } catch (error) {
      clean = false;
      log.error({ err: error }, "close_failed");
    }
  }
  return clean;
}
