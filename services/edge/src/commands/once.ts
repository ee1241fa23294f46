/** Source: the calls of a busy quarter of an hour, some 2 MB. */
const CALLS_MAX = 10_000;

/**
 * Runs the work of each call once, however often and however much at the same time it comes in; what failed may be
 * tried again. Remembers the newest calls only: what forgets no call is the processor, or the database.
 */
export class Once<T> {
  private readonly calls = new Map<string, Promise<T>>();

  find(callId: string): Promise<T> | undefined {
    return this.calls.get(callId);
  }

  run(callId: string, work: () => Promise<T>): Promise<T> {
    const known = this.calls.get(callId);
    if (known !== undefined) return known;
    const [oldest] = this.calls.keys();
    if (this.calls.size >= CALLS_MAX && oldest !== undefined) this.calls.delete(oldest);
    const running = work().catch((error: unknown) => {
      this.calls.delete(callId);
      throw error;
    });
    this.calls.set(callId, running);
    return running;
  }
}
