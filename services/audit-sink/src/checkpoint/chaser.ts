import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { SignedCheckpoint } from "./keys.ts";

export interface ChaserOptions {
  /** For logs. */
  readonly name: string;
  /** Begins at most so often. */
  readonly everyMs: number;
  readonly work: (checkpoint: SignedCheckpoint) => Promise<void>;
  readonly log: Logger;
  /** A stop works on what waits, once; else it is left. */
  readonly finishes?: boolean;
  /** After each try; `why`: it failed. */
  readonly onDone?: (why?: string) => void;
}

/** Something that runs after checkpoints and delays none of them. */
export interface Chaser {
  /** One that was worked on is worked on again; an older one than what waits is passed over. */
  offer(checkpoint: SignedCheckpoint): void;
  /** Waits for what is under way. */
  stop(): Promise<void>;
}

const BACKOFF_MAX_MS = 60_000;

/** Works on the newest checkpoint only, one at a time; what fails is tried again, with growing pauses. */
export function startChaser(options: ChaserOptions): Chaser {
  const { name, everyMs, work, log, finishes = false, onDone } = options;
  let newest: SignedCheckpoint | null = null;
  let stopped = false;
  let wake = (): void => {};

  async function rest(ms: number | null): Promise<void> {
    if (stopped) return;
    await new Promise<void>((resolve) => {
      const timer = ms === null ? null : setTimeout(resolve, ms);
      wake = () => {
        if (timer === null) resolve();
        else if (stopped) {
          clearTimeout(timer);
          resolve();
        }
      };
    });
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!stopped || (finishes && newest !== null && failures === 0)) {
      const checkpoint = newest;
      if (checkpoint === null) {
        await rest(null);
        continue;
      }
      newest = null;
      try {
        await work(checkpoint);
        failures = 0;
        onDone?.();
      } catch (error) {
        newest ??= checkpoint;
        failures += 1;
        log.warn({ chaser: name, why: messageOf(error), failures }, "audit_chaser_failed");
        onDone?.(messageOf(error));
      }
      await rest(Math.min(everyMs * 2 ** Math.min(failures, 10), BACKOFF_MAX_MS));
    }
  }

  const running = run();
  return {
    offer(checkpoint) {
      if (newest === null || checkpoint.size >= newest.size) newest = checkpoint;
      wake();
    },
    async stop() {
      stopped = true;
      wake();
      await running;
    },
  };
}
