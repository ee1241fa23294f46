import { VigError } from "@vigie/core/errors";

/** A place in a list that is sorted newest first: by time, then by id. */
export interface Place {
  readonly atMs: number;
  /** UUID of the row. */
  readonly id: string;
}

export interface PageWanted {
  readonly after: Place | null;
  readonly limit: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page begins after; null at the end. */
  readonly next: Place | null;
}

/** 13 digits of milliseconds reach to the year 2286. */
const PLACE = /^(\d{1,13})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** Opaque to clients. It needs no signature: tenant and person are never taken from it. */
export const cursorOf = ({ atMs, id }: Place): string =>
  Buffer.from(`${atMs}.${id}`).toString("base64url");

/** Throws: VIG_QUERY_INVALID for what `cursorOf` has not made. */
export function placeOf(cursor: string): Place {
  const found = PLACE.exec(Buffer.from(cursor, "base64url").toString("latin1"));
  const place = { atMs: Number(found?.[1]), id: found?.[2] ?? "" };
  if (found !== null && cursorOf(place) === cursor) return place;
  throw new VigError("VIG_QUERY_INVALID", { path: "cursor", why: "is none of ours" });
}

/** A list of which one row more than asked for was read: that there is another page is known from it. */
export function pageOf<R>(found: readonly R[], limit: number, place: (row: R) => Place): Page<R> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, next: found.length > limit && last !== undefined ? place(last) : null };
}
