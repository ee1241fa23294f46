import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";

export interface Job {
  readonly name: string;
  readonly everyMs: number;
  /** After a run that failed. Default: as after any other. */
  readonly retryMs?: number;
  run(): Promise<unknown>;
}

export interface RunningJobs {
  /** Waits for those that run. */
  stop(): Promise<void>;
}

/**
 * Runs each job at once and then again `everyMs` after it ended. One that throws is logged and runs again, after
 * `retryMs` where that is given.
 */
export function startJobs(jobs: readonly Job[], log: Logger): RunningJobs {
  const timers = new Map<string, NodeJS.Timeout>();
  const running = new Map<string, Promise<void>>();
  let stopped = false;
  const run = async (job: Job): Promise<void> => {
    let restMs = job.everyMs;
    try {
      await job.run();
    } catch (error) {
      log.warn({ job: job.name, why: messageOf(error) }, "job_failed");
      restMs = job.retryMs ?? job.everyMs;
    }
    if (!stopped) timers.set(job.name, setTimeout(begin, restMs, job));
  };
  const begin = (job: Job): void => {
    running.set(job.name, run(job));
  };
  for (const job of jobs) begin(job);
  return {
    async stop() {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
}
