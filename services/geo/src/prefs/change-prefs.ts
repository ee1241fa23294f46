import { VigError } from "@vigie/core/errors";
import { needsOptIn, PRECISION_DEFAULT } from "@vigie/core/geohash";
import type { GeoPrefs } from "@vigie/schemas/types";
import { narrowedContext } from "#geo-context/geo-context";
import type { Held } from "#geo-context/place-book";
import { type GeoEventRow, noPlace } from "#geo-events/geo-events";
import type { Person } from "#person";
import {
  type CountriesServed,
  consentOf,
  effectivePrefs,
  lengthOf,
  type Prefs,
  switchesOf,
} from "./prefs.ts";
import type { PrefsBody } from "./schemas.ts";

/**
 * What is chosen after a change. Without opt-in a finer level becomes the finest that needs none.
 * Throws: VIG_BODY_INVALID when a finer level is asked for by name.
 */
export function changedPrefs(before: Prefs, body: PrefsBody): Prefs {
  const after: Prefs = { ...before, ...body };
  if (after.gpsOptIn || !needsOptIn(after.precisionLevel)) return after;
  if (body.precisionLevel !== undefined) {
    throw new VigError("VIG_BODY_INVALID", { path: "precisionLevel", why: "needs gpsOptIn" });
  }
  return { ...after, precisionLevel: PRECISION_DEFAULT };
}

export interface ChangedPrefs {
  readonly prefs: Prefs;
  readonly events: readonly GeoEventRow[];
  /** What is held from then on. */
  readonly held: Held;
}

/** CNF-25: what follows from a change, whether it was chosen or follows the country that was. */
export function changePrefs(
  { prefs, context }: Held,
  body: PrefsBody,
  atlas: {
    readonly countryOf: CountriesServed;
    readonly newId: () => string;
    readonly nowMs: number;
  },
): ChangedPrefs {
  const after = changedPrefs(prefs, body);
  const held = { prefs: after, context: context && narrowedContext(context, consentOf(after)) };
  const effective = (each: Held) => effectivePrefs(each.prefs, each.context, atlas.countryOf);
  const events = switchesOf(effective({ prefs, context }), effective(held)).map(
    ({ type, from, to }): GeoEventRow => ({
      ...noPlace,
      id: atlas.newId(),
      type,
      occurredAtMs: atlas.nowMs,
      details: { from, to },
    }),
  );
  return { prefs: after, events, held };
}

/** The record for id.geo.prefs. */
export const prefsRecord = (
  { tenantId, userId }: Person,
  prefs: Prefs,
  updatedAtMs: number,
): GeoPrefs => ({
  tenant_id: tenantId,
  user_id: userId,
  gps_opt_in: prefs.gpsOptIn,
  precision: lengthOf(prefs),
  updated_at: updatedAtMs,
});
