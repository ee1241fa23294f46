import { cellCentre, haversineKm } from "@vigie/core/geo";
import type { PolicyDocument } from "@vigie/core/policy";
import { hoursFromMs, SECOND_MS } from "@vigie/core/time";
import type { Place } from "#enrich/place";
import { sameId } from "#state/id";
import { type Fix, Trail } from "#state/trail";
import {
  type EnrichedEvent,
  type Finding,
  idText,
  quiet,
  type Rule,
  type RuleMeta,
  type Step,
} from "./rule.ts";

export const meta: RuleMeta = {
  name: "impossible_travel",
  part: 1,
  version: "1",
  events: ["login_success", "heartbeat", "mfa_success", "geo"],
  severity: "HIGH",
  riskScore: 95,
  action: "STEP_UP",
};

export function step(trail: Trail, event: EnrichedEvent, policy: PolicyDocument): Step<Trail> {
  const { position, atMs, id, sessionId } = event;
  if (position === null) return quiet(trail);
  const here: Fix = { atMs, place: position, eventId: id, sessionId };
  if (trail.isEmpty) return quiet(trail.prepend(here));
  const { newestMs } = trail;
  if (atMs < newestMs) return late(trail.fixes(), here, policy) ?? quiet(trail);
  if (atMs === newestMs && sameId(trail.newest.eventId, id)) return quiet(trail);
  const state = trail.prepend(here);
  // Most users stay where they are, which their bytes tell at a glance.
  const finding = trail.isAt(position) ? null : judge(trail.newest, here, policy);
  return finding === null ? quiet(state) : { state, findings: [finding] };
}

/** A late event is compared with its neighbours in time on both sides; null when it is there already. */
function late(fixes: readonly Fix[], here: Fix, policy: PolicyDocument): Step<Trail> | null {
  let next = fixes.length;
  while (next > 0 && (fixes[next - 1] as Fix).atMs > here.atMs) next--;
  const before = fixes[next - 1];
  const after = fixes[next];
  if (before?.atMs === here.atMs && sameId(before.eventId, here.eventId)) return null;
  const arrival = before === undefined ? null : judge(before, here, policy);
  const departure = after === undefined ? null : judge(here, after, policy);
  return {
    state: Trail.of(fixes.toSpliced(next, 0, here)),
    findings: [arrival, departure].filter((finding) => finding !== null),
  };
}

/** The finding on two fixes next to each other in time, or null. Radii and skew speak for the user. */
function judge(from: Fix, to: Fix, policy: PolicyDocument): Finding | null {
  if (from.place.cell === to.place.cell) return null;
  const limits = policy.impossible_travel;
  const distanceKm = haversineKm(cellCentre(from.place.cell), cellCentre(to.place.cell));
  const certainKm = distanceKm - from.place.radiusKm - to.place.radiusKm;
  if (certainKm <= limits.distance_min_km) return null;
  const elapsedMs = to.atMs - from.atMs;
  const minSpeedKmh = certainKm / hoursFromMs(elapsedMs + limits.skew_s * SECOND_MS);
  if (minSpeedKmh <= limits.kmh_threshold) return null;

  const causes = [idText(from.eventId), idText(to.eventId)];
  const speedKmh = distanceKm / hoursFromMs(Math.max(elapsedMs, SECOND_MS));
  const neededS = Math.ceil((certainKm / limits.kmh_threshold) * 3_600 - limits.skew_s);
  return {
    sessionId: to.sessionId === null ? null : idText(to.sessionId),
    occurredAtMs: to.atMs,
    causes,
    identity: causes,
    evidence: evidenceOf(from, to, { distanceKm, speedKmh, minSpeedKmh, elapsedMs }, limits),
    explanation:
      `Going from ${nameOf(from.place)} to ${nameOf(to.place)}, ${distanceKm.toFixed(0)} km in ` +
      `${seconds(elapsedMs)} s, takes at least ${minSpeedKmh.toFixed(0)} km/h; with ${neededS} s or more ` +
      `between the two it would not have exceeded the limit of ${limits.kmh_threshold} km/h.`,
  };
}

interface Trip {
  readonly distanceKm: number;
  readonly speedKmh: number;
  readonly minSpeedKmh: number;
  readonly elapsedMs: number;
}

const evidenceOf = (
  from: Fix,
  to: Fix,
  trip: Trip,
  limits: PolicyDocument["impossible_travel"],
): Readonly<Record<string, string>> => ({
  distance_km: trip.distanceKm.toFixed(0),
  speed_kmh: trip.speedKmh.toFixed(0),
  min_speed_kmh: trip.minSpeedKmh.toFixed(0),
  elapsed_s: seconds(trip.elapsedMs),
  limit_kmh: String(limits.kmh_threshold),
  ...named("from_country", from.place.country),
  ...named("to_country", to.place.country),
  ...named("from_city", from.place.city),
  ...named("to_city", to.place.city),
});

const named = (key: string, value: string): Record<string, string> =>
  value === "" ? {} : { [key]: value };

const seconds = (ms: number): string => (ms / SECOND_MS).toFixed(0);
const nameOf = ({ city, country }: Place): string =>
  [city, country].filter((name) => name !== "").join(", ") || "one place";

export const impossibleTravel: Rule<Trail> = {
  meta,
  initial: Trail.none,
  step,
  write: (writer, trail) => trail.write(writer),
  read: Trail.read,
};
