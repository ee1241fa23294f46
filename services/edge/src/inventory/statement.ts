import type { Place } from "./keyset.ts";

/** A statement and its values; nothing that came from outside is ever part of the text. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Collects values and gives each its placeholder. */
export class Values {
  readonly all: unknown[] = [];

  /** `type` is PostgreSQL's, such as uuid. */
  put(value: unknown, type: string): string {
    this.all.push(value);
    return `$${this.all.length}::${type}`;
  }
}

/** As the columns have it: UTC without a zone. */
export const timeText = (ms: number): string => new Date(ms).toISOString();

/**
 * What comes after a place in a list that is sorted newest first, by a column of time and the id. The bound on the time
 * alone lets PostgreSQL leave out the days after it.
 */
export function afterPlace(values: Values, after: Place | null): (time: string) => string {
  if (after === null) return () => "";
  const atTime = values.put(timeText(after.atMs), "timestamp");
  const atId = values.put(after.id, "uuid");
  return (time) => `and ${time} <= ${atTime} and (${time}, id) < (${atTime}, ${atId})`;
}
