/** Lets so many in at once; the others wait in the order in which they came. */
export class Gate {
  private free: number;
  private readonly waiting = new Set<() => void>();

  constructor(size: number) {
    this.free = size;
  }

  /** False: there was no room in time. Who is in leaves. */
  enter(waitMs: number): Promise<boolean> {
    if (this.free > 0) {
      this.free -= 1;
      return Promise.resolve(true);
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const letIn = () => {
      clearTimeout(timer);
      resolve(true);
    };
    const timer = setTimeout(() => {
      this.waiting.delete(letIn);
      resolve(false);
    }, waitMs);
    this.waiting.add(letIn);
    return promise;
  }

  /** The place of who leaves is the next one's. */
  leave(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.free += 1;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}
