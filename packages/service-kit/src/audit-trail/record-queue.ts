import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { OutgoingEvent, Receipt } from "../output/event-output.ts";

/** A record that makes its own bytes when it is sent: schemas may not be known before. */
export type MakeRecord = () => OutgoingEvent;

export interface RecordQueueOptions {
  publish(event: OutgoingEvent): Promise<Receipt>;
  readonly log: Logger;
  readonly countMax?: number;
  /** Told how many wait. */
  observe?(waiting: number): void;
}

/** Source: about 20 MB of audit records at 2 KiB each. */
const WAITING_MAX = 10_000;
/** Records on their way at once. */
const ROUND_MAX = 100;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 2_000;

interface Waiting {
  readonly make: MakeRecord;
  /** Null once the caller was told that it failed; the record stays. */
  answer: PromiseWithResolvers<Receipt> | null;
}

/**
 * Carries records to the broker, each until the broker has it: what was once taken is sent again, unchanged, however
 * often that fails, so a numbered series has no hole. A reader that knows ids sees each once.
 */
export class RecordQueue {
  private readonly options: RecordQueueOptions;
  private readonly waiting: Waiting[] = [];
  private pumping: Promise<void> | null = null;
  private failures = 0;
  /** Ends a pause early. */
  private wake: () => void = () => undefined;
  private givenUp = false;

  constructor(options: RecordQueueOptions) {
    this.options = options;
  }

  get size(): number {
    return this.waiting.length;
  }

  get isFull(): boolean {
    return this.size >= (this.options.countMax ?? WAITING_MAX);
  }

  /** Takes the record for good. Rejects with VIG_AUDIT_WRITE_FAILED when a try failed; it is sent later then. */
  push(make: MakeRecord): Promise<Receipt> {
    const answer = Promise.withResolvers<Receipt>();
    this.waiting.push({ make, answer });
    this.options.observe?.(this.size);
    this.start();
    return answer.promise;
  }

  /** Waits until all is written. Returns: how many records were still waiting after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<number> {
    this.wake();
    const { promise: late, resolve: expire } = Promise.withResolvers<void>();
    const timer = setTimeout(expire, timeoutMs);
    await Promise.race([this.emptied(), late]);
    clearTimeout(timer);
    this.givenUp = true;
    this.wake();
    return this.size;
  }

  private start(): void {
    if (this.pumping !== null || this.size === 0 || this.givenUp) return;
    this.pumping = this.pump().finally(() => {
      this.pumping = null;
      this.start();
    });
  }

  private async emptied(): Promise<void> {
    while (this.pumping !== null) await this.pumping;
  }

  private async pump(): Promise<void> {
    while (this.size > 0 && !this.givenUp) {
      const round = this.waiting.slice(0, ROUND_MAX);
      const fates = await Promise.allSettled(round.map((record) => this.send(record)));
      const written = round.filter((_, index) => fates[index]?.status === "fulfilled");
      this.forget(new Set(written));
      const failed = fates.find((fate) => fate.status === "rejected");
      if (failed === undefined) this.failures = 0;
      else await this.afterFailure(failed.reason);
    }
  }

  private async send(record: Waiting): Promise<void> {
    const receipt = await this.options.publish(record.make());
    record.answer?.resolve(receipt);
  }

  private forget(written: ReadonlySet<Waiting>): void {
    const left = this.waiting.filter((record) => !written.has(record));
    this.waiting.splice(0, this.waiting.length, ...left);
    this.options.observe?.(this.size);
  }

  /** AUD-06: who waits is told, the log at its highest level too; the records stay, in their order. */
  private async afterFailure(cause: unknown): Promise<void> {
    const why = messageOf(cause);
    const code = "VIG_AUDIT_WRITE_FAILED";
    this.options.log.fatal({ code, why, waiting: this.size }, "audit_write_failed");
    for (const record of this.waiting) {
      record.answer?.reject(new VigError(code, { why }, { cause }));
      record.answer = null;
    }
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
