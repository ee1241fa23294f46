import { VigError } from "@vigie/core/errors";

/** A place in a list of leaves that is sorted newest first: by time of the action, then by index. */
export interface Place {
  readonly atMs: number;
  readonly index: number;
}

/** 15 digits are below 2^53. */
const PLACE = /^(\d{1,15})\.(\d{1,15})$/;

/** Opaque to clients. It needs no signature: the tenant is never taken from it. */
export const cursorOf = ({ atMs, index }: Place): string =>
  Buffer.from(`${atMs}.${index}`).toString("base64url");

/** Throws: VIG_QUERY_INVALID for what `cursorOf` has not made. */
export function placeOf(cursor: string): Place {
  const found = PLACE.exec(Buffer.from(cursor, "base64url").toString("latin1"));
  const place = { atMs: Number(found?.[1]), index: Number(found?.[2]) };
  if (found !== null && cursorOf(place) === cursor) return place;
  throw new VigError("VIG_QUERY_INVALID", { path: "cursor", why: "is none of ours" });
}
