import { assert } from "@vigie/core/assert";

/** A transaction that was rolled back, as a fetch response lists it. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/**
 * Tells which batches of a partition belong to aborted transactions, read in order of offset. A transaction is open
 * from its first offset to the abort marker of its producer; several producers' may overlap.
 * Source: Kafka's Java consumer, CompletedFetch.nextFetchedRecord.
 */
export class AbortedFilter {
  /** The latest first: the next to begin is taken from the end. */
  private readonly ahead: AbortedTransaction[];
  private readonly open = new Set<number>();
  private lastOffset = -1;

  constructor(aborted: readonly AbortedTransaction[]) {
    this.ahead = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset);
  }

  /** Whether the data batch at this offset was aborted. */
  covers(batch: {
    readonly offset: number;
    readonly producerId: number;
    readonly transactional: boolean;
  }): boolean {
    this.moveTo(batch.offset);
    return batch.transactional && this.open.has(batch.producerId);
  }

  /** Takes note of an abort marker: what the producer writes after it is another transaction. */
  endedBy(marker: { readonly offset: number; readonly producerId: number }): void {
    this.moveTo(marker.offset);
    this.open.delete(marker.producerId);
  }

  private moveTo(offset: number): void {
    assert(offset >= this.lastOffset, "batches come in order of offset");
    this.lastOffset = offset;
    let next = this.ahead.at(-1);
    while (next !== undefined && next.firstOffset <= offset) {
      this.open.add(next.producerId);
      this.ahead.pop();
      next = this.ahead.at(-1);
    }
  }
}
