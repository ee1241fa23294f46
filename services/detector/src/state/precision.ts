import { allowedLength } from "@vigie/core/geohash";
import type { GeoPrefs } from "@vigie/schemas/types";
import type { Part } from "./user-state.ts";

/** How many characters of a geohash a user lets places be kept to. */
export type Precision = number;

/**
 * Of somebody who said nothing, or allows more than is kept of anybody: a hundredth of a degree, which is between a
 * geohash of 5 and one of 6 characters. Source: docs/decisions/0010.
 */
export const PRECISION_MAX = 6;

/** What preferences come to here; null: there are none any more. */
export const precisionOf = (prefs: GeoPrefs | null): Precision =>
  prefs === null
    ? PRECISION_MAX
    : Math.min(allowedLength(prefs.gps_opt_in, prefs.precision), PRECISION_MAX);

/** The part of the state that holds it; most users have none. */
export const precisionPart: Part<Precision> = {
  part: 101,
  codec: {
    initial: PRECISION_MAX,
    write(writer, precision) {
      writer.room(1);
      writer.u8(precision);
    },
    read: (reader) => reader.u8(),
  },
};
