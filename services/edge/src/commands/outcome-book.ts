/** Source: results of some minutes at 50 commands a second, under 10 MB. */
const KNOWN_MAX = 10_000;

/** What became of commands, by their ids, as told by a topic; and who waits for it. */
export class OutcomeBook<V> {
  private readonly known = new Map<string, V>();
  private readonly waiting = new Map<string, Set<(value: V) => void>>();

  /** The first one counts: a command has one outcome. */
  deliver(id: string, value: V): void {
    if (this.known.has(id)) return;
    const [oldest] = this.known.keys();
    if (this.known.size >= KNOWN_MAX && oldest !== undefined) this.known.delete(oldest);
    this.known.set(id, value);
    for (const tell of this.waiting.get(id) ?? []) tell(value);
  }

  find(id: string): V | null {
    return this.known.get(id) ?? null;
  }

  /** The outcome, or null if it has not come by then. */
  async wait(id: string, timeoutMs: number): Promise<V | null> {
    const known = this.find(id);
    if (known !== null) return known;
    const { promise, resolve } = Promise.withResolvers<V | null>();
    const timer = setTimeout(resolve, timeoutMs, null);
    const waiting = this.waiting.get(id) ?? new Set();
    this.waiting.set(id, waiting);
    waiting.add(resolve);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      waiting.delete(resolve);
      if (waiting.size === 0) this.waiting.delete(id);
    }
  }
}
