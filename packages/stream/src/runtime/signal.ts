/** Something may have changed: wakes the one loop that waits. A raise while nobody waits is kept. */
export class Signal {
  private raised = false;
  private wakeUp: (() => void) | null = null;

  raise(): void {
    this.raised = true;
    this.wakeUp?.();
  }

  /** Resolves at the next raise, or after `timeoutMs`. */
  wait(timeoutMs: number): Promise<void> {
    if (this.raised) {
      this.raised = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const done = () => {
        clearTimeout(timer);
        this.wakeUp = null;
        this.raised = false;
        resolve();
      };
      if (timeoutMs < TIMER_MAX_MS) timer = setTimeout(done, Math.max(0, timeoutMs));
      this.wakeUp = done;
    });
  }
}

/** Source: Node's timers take at most 2^31 - 1 ms; longer ones fire at once. */
const TIMER_MAX_MS = 2_147_483_647;

/** Lets I/O have its turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
