import { drop, type Outcome, ok } from "@vigie/core/outcome";
import { admitEvent } from "@vigie/schemas/admit";
import type { GeoPrefs } from "@vigie/schemas/types";
import { isErased } from "@vigie/service-kit/erasures";
import type { Effects, Input, InputRecord, ProcessContext } from "@vigie/stream/processor";
import { precisionOf } from "#state/precision";
import type { StateFormat, UserState } from "#state/user-state";
import type { DetectorOptions } from "./app.ts";
import type { Judge } from "./judge.ts";

export const CONSENT_TOPIC = "id.geo.prefs";

/**
 * What users consent to, in its place among their events: what an edge or a producer has cut by a consent comes after it,
 * and a replay takes it where the first run did. Null: there is none any more.
 */
export const consentInput = ({
  codecs,
  maxEventAgeMs,
  maxAheadMs,
}: Pick<DetectorOptions, "codecs" | "maxEventAgeMs" | "maxAheadMs">): Input<GeoPrefs | null> => ({
  topic: CONSENT_TOPIC,
  order: "merged",
  optional: true,
  decoder: codecs.decoder<GeoPrefs>(CONSENT_TOPIC),
  tombstone: null,
  misplaced: "drop",
  admit: ({ value, key, timestampMs }) =>
    value === null
      ? ok(value)
      : admitEvent(CONSENT_TOPIC, value, key, {
          recordTimestampMs: timestampMs,
          maxEventAgeMs,
          maxAheadMs,
        }),
});

/** CNF-05: from here on places of the user are kept no finer; those that are held are cut when it is less than before. */
export function takeConsent(
  { value }: InputRecord<GeoPrefs | null>,
  state: UserState | null,
  { judge, format }: { readonly judge: Judge; readonly format: StateFormat },
  context: ProcessContext,
): Outcome<Effects<UserState, string>> {
  if (value !== null && isErased(value.tenant_id, value.user_id, value.updated_at, context)) {
    return drop("erased");
  }
  const open = format.open(state);
  judge.keepNoFiner(open, precisionOf(value));
  if (!open.isChanged) return ok({ state, emit: [] });
  return ok({ state: open.isBlank ? null : open.seal(), emit: [] });
}
