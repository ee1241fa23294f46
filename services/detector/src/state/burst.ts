import type { Reader, Writer } from "@vigie/core/bytes";
import { type Id, keptId, readId, sameId, writeId } from "./id.ts";

/** Something that happened to a user and is counted, such as a failure. */
export interface Happening {
  readonly atMs: number;
  readonly eventId: Id;
  /** An alert counted it; it is not counted again. */
  readonly told: boolean;
}

/** The newest happenings of one sort, oldest first. */
export type Burst = readonly Happening[];

export const noBurst: Burst = [];

/** So many, with less than the window from the oldest to the newest, are an alert. */
export interface BurstLimit {
  readonly count: number;
  readonly windowMs: number;
  /** How many are remembered; at least `count`. */
  readonly kept: number;
}

export interface Counted {
  /** The same as given when the happening was known already, or is older than all that is remembered. */
  readonly burst: Burst;
  /** The happenings of an alert, oldest first, or null. */
  readonly alert: Burst | null;
}

/**
 * One more happening, in any order of arrival. An alert is the oldest window that it completes, of neighbours in time
 * that no alert has told of yet. So in order, the next alert counts only what is later than the last one's newest; and
 * in any order every window of the sorted order shares a happening with an alert, no two alerts share one.
 */
export function counted(
  burst: Burst,
  { id, atMs }: { readonly id: string; readonly atMs: number },
  limit: BurstLimit,
): Counted {
  const eventId = keptId(id);
  if (burst.some((known) => sameId(known.eventId, eventId))) return { burst, alert: null };
  let at = burst.length;
  while (at > 0 && (burst[at - 1] as Happening).atMs > atMs) at--;
  if (at === 0 && burst.length >= limit.kept) return { burst, alert: null };
  const next = burst.toSpliced(at, 0, { atMs, eventId, told: false });
  const first = firstOfWindow(next, at, limit);
  const alert = first < 0 ? null : next.slice(first, first + limit.count);
  const marked =
    alert === null
      ? next
      : next.toSpliced(first, limit.count, ...alert.map((each) => ({ ...each, told: true })));
  return { burst: marked.slice(-limit.kept), alert };
}

/** Where the oldest window with the one at `at` begins, or -1. */
function firstOfWindow(burst: Burst, at: number, { count, windowMs }: BurstLimit): number {
  let from = at;
  while (from > 0 && at - from < count - 1 && burst[from - 1]?.told === false) from--;
  for (; from <= at; from++) {
    const newest = burst[from + count - 1];
    if (newest === undefined) return -1;
    if (newest.atMs - (burst[from] as Happening).atMs >= windowMs) continue;
    return burst.slice(from, from + count).some(({ told }) => told) ? -1 : from;
  }
  return -1;
}

/** Count, then per happening the time since the one before with the bit beside it, and its id. */
export function writeBurst(writer: Writer, burst: Burst): void {
  writer.varint(burst.length);
  let lastMs = 0;
  for (const { atMs, eventId, told } of burst) {
    writer.varint((atMs - lastMs) * 2 + (told ? 1 : 0));
    writeId(writer, eventId);
    lastMs = atMs;
  }
}

export function readBurst(reader: Reader): Burst {
  const burst: Happening[] = [];
  let atMs = 0;
  for (let left = reader.varint(); left > 0; left--) {
    const packed = reader.varint();
    const told = packed % 2 === 1;
    atMs += (packed - (told ? 1 : 0)) / 2;
    burst.push({ atMs, eventId: readId(reader), told });
  }
  return burst;
}
