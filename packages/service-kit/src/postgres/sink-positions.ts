import type { NextOffset, StoredOffset, TopicPartition } from "./sink-offsets.ts";

export const positionKey = ({ topic, partition }: TopicPartition): string =>
  `${topic}/${partition}`;

/** What this member has stored or found stored, by partition. */
export class Positions {
  private readonly offsets = new Map<string, number>();

  set(stored: readonly StoredOffset[]): void {
    for (const each of stored) {
      if (each.offset === null) this.offsets.delete(positionKey(each));
      else this.offsets.set(positionKey(each), each.offset);
    }
  }

  of(partition: TopicPartition): number | null {
    return this.offsets.get(positionKey(partition)) ?? null;
  }

  forget(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) this.offsets.delete(positionKey(each));
  }
}

/**
 * The store holds less than it was given: it was emptied or restored from a backup, and is filled
 * again.
 */
export function isLost(stored: StoredOffset, positions: Positions): boolean {
  const given = positions.of(stored);
  return given !== null && (stored.offset ?? 0) < given;
}

/** The positions that move forward, each from where the store is. */
export function advance(
  next: readonly NextOffset[],
  stored: readonly StoredOffset[],
): readonly NextOffset[] {
  const floors = new Map(stored.map((each) => [positionKey(each), each.offset]));
  return next.flatMap((position) => {
    const floor = floors.get(positionKey(position)) ?? null;
    if (floor !== null && position.offset <= floor) return [];
    return [{ ...position, from: floor ?? position.from }];
  });
}

/** Whether a record is not in the store yet: below a stored offset all are, whoever wrote them. */
export function isBeyond(stored: readonly StoredOffset[]) {
  const floors = new Map(stored.map((each) => [positionKey(each), each.offset ?? 0]));
  return (record: TopicPartition & { readonly offset: number }): boolean =>
    record.offset >= (floors.get(positionKey(record)) ?? 0);
}
