import type { Clock } from "@vigie/core/time";
import type { Backend } from "./backend.ts";

/** Where the inputs ended, by physical topic in order of partition, as read at `readAtMs` or later. */
export interface Ends {
  readonly readAtMs: number;
  readonly offsets: ReadonlyMap<string, readonly number[]>;
}

/**
 * Reads the last stable offsets of the inputs for all tasks of a member: one round of requests at a time, whose
 * answer serves everyone who asked for a time before it began.
 */
export class EndsReader {
  private readonly backend: Backend;
  private readonly topics: readonly string[];
  private readonly clock: Clock;
  private running: Promise<Ends> | null = null;
  private latest: Ends | null = null;

  constructor(backend: Backend, topics: readonly string[], clock: Clock) {
    this.backend = backend;
    this.topics = topics;
    this.clock = clock;
  }

  /** The newest answer, if it was asked for at `sinceMs` or later. */
  known(sinceMs: number): Ends | null {
    return this.latest !== null && this.latest.readAtMs >= sinceMs ? this.latest : null;
  }

  /** Asks unless it is being asked. Rejects while the broker is away. */
  read(): Promise<Ends> {
    this.running ??= this.ask().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async ask(): Promise<Ends> {
    const readAtMs = this.clock();
    const answers = await Promise.all(
      this.topics.map(
        async (topic) => [topic, await this.backend.admin.stableOffsets(topic)] as const,
      ),
    );
    this.latest = { readAtMs, offsets: new Map(answers) };
    return this.latest;
  }
}
