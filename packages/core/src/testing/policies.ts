import fc, { type Arbitrary } from "fast-check";
import { ABSOLUTE_HOURS_MAX, type PolicyOverlay, RULE_NAMES } from "../policy.ts";

/** Any sound policy document with the parts that merge in a way of their own. */

const part = <T extends object>(fields: { [Name in keyof T]: Arbitrary<T[Name]> }) =>
  fc.record(fields, { requiredKeys: [] }) as Arbitrary<Partial<T>>;

const channel = fc.constantFrom("MOBILE", "WEB", "USSD", "API");
const count = fc.integer({ min: 0, max: 100 });

const refinable = {
  idle_timeout: part({ minutes: fc.integer({ min: 1, max: 1_440 }) }),
  absolute_timeout: part({ hours: fc.integer({ min: 1, max: ABSOLUTE_HOURS_MAX }) }),
  blocked_countries: part({
    countries: fc.uniqueArray(fc.constantFrom("SN", "CI", "GH", "NG", "FR"), { maxLength: 4 }),
  }),
  rules: fc.dictionary(
    fc.constantFrom(...RULE_NAMES),
    part({
      mode: fc.constantFrom("ENFORCE", "SHADOW", "OFF"),
      action: fc.constantFrom("LOG_ONLY", "STEP_UP", "REVOKE", "BLOCK"),
      risk_score: fc.integer({ min: 0, max: 100 }),
      share: fc.integer({ min: 0, max: 100 }),
    }),
    { maxKeys: 3 },
  ),
};
const max_concurrent_sessions = part({
  count,
  on_excess: fc.constantFrom("revoke_oldest", "alarm"),
  per_channel: fc.dictionary(channel, count, { maxKeys: 3 }),
});

export const anyOverlay = part({
  ...refinable,
  max_concurrent_sessions,
  mfa_fatigue: part({
    challenge_count: fc.integer({ min: 2, max: 30 }),
    window_minutes: fc.integer({ min: 1, max: 60 }),
  }),
  country_change: part({ days: fc.integer({ min: 1, max: 365 }) }),
  unusual_channel: part({ share_min_percent: fc.integer({ min: 0, max: 50 }) }),
  vpn_networks: part({
    organisations: fc.uniqueArray(fc.constantFrom("M247", "Datacamp", "A&B net"), { maxLength: 3 }),
  }),
  impossible_travel: part({ kmh_threshold: fc.integer({ min: 300, max: 2_000 }) }),
  fp_mismatch_tolerance: part({ score_min: fc.double({ min: 0, max: 1, noNaN: true }) }),
  session_retention: part({ days: fc.integer({ min: 1, max: 3_650 }) }),
  channels: fc.dictionary(channel, part(refinable), { maxKeys: 3 }),
  roles: fc.dictionary(
    fc.constantFrom("teller", "admin", "bot"),
    part({ ...refinable, max_concurrent_sessions }),
    { maxKeys: 3 },
  ),
}) as Arbitrary<PolicyOverlay>;

/** Any sound document, with a candidate or without. */
export const anyDocument = fc
  .tuple(
    anyOverlay,
    fc.option(part({ share: fc.integer({ min: 0, max: 100 }), document: anyOverlay }), {
      nil: undefined,
    }),
  )
  .map(([overlay, candidate]) => (candidate === undefined ? overlay : { ...overlay, candidate }));
