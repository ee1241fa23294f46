import { geodesicKm, gridCellCentre, haversineKm, SPHERE_ERROR_MAX } from "@vigie/core/geo";
import type { PolicyDocument } from "@vigie/core/policy";
import { hoursFromMs, SECOND_MS } from "@vigie/core/time";
import { isOtherData, type Place } from "@vigie/geoip/place";
import { keptId, sameId } from "#state/id";
import { type Fix, Trail } from "#state/trail";
import { findsAnew, isPlaceUnknown, type Stands } from "./recheck.ts";
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
  part: 12,
  version: "2",
  events: ["login_success", "heartbeat", "mfa_success", "geo"],
  severity: "HIGH",
  riskScore: 95,
  action: "STEP_UP",
  settings: ["impossible_travel"],
  keepsAlike: true,
};

export function step(trail: Trail, event: EnrichedEvent, policy: PolicyDocument): Step<Trail> {
  const { position, atMs, sessionId } = event;
  if (position === null) return quiet(trail);
  const id = keptId(event.id);
  const here: Fix = {
    atMs,
    place: position,
    eventId: id,
    sessionId,
    carrier: mobileCarrierOf(event),
  };
  if (trail.isEmpty) return quiet(trail.prepend(here));
  const { newestMs } = trail;
  if (atMs < newestMs) return late(trail.fixes(), here, { policy, event }) ?? quiet(trail);
  if (atMs === newestMs && sameId(trail.newest.eventId, id)) return quiet(trail);
  const state = trail.prepend(here);
  // Most users stay where they are, which their bytes tell at a glance.
  if (trail.isAt(position)) return quiet(state);
  const finding = judge(trail.newest, here, { policy, event });
  return finding === null ? quiet(state) : { state, findings: [finding] };
}

const mobileCarrierOf = ({ channel, address }: EnrichedEvent): number =>
  channel === "MOBILE" || channel === "USSD" ? (address.asn ?? 0) : 0;

/** What a pair is judged by. */
interface About {
  readonly policy: PolicyDocument;
  readonly event: EnrichedEvent;
}

/** A late event is compared with its neighbours in time on both sides; null when it is there already. */
function late(fixes: readonly Fix[], here: Fix, about: About): Step<Trail> | null {
  let next = fixes.length;
  while (next > 0 && (fixes[next - 1] as Fix).atMs > here.atMs) next--;
  const before = fixes[next - 1];
  const after = fixes[next];
  if (before?.atMs === here.atMs && sameId(before.eventId, here.eventId)) return null;
  const arrival = before === undefined ? null : judge(before, here, about);
  const departure = after === undefined ? null : judge(here, after, about);
  return {
    state: Trail.of(fixes.toSpliced(next, 0, here)),
    findings: [arrival, departure].filter((finding) => finding !== null),
  };
}

/** The finding on two fixes next to each other in time, or null. Radii and skew speak for the user. */
function judge(from: Fix, to: Fix, { policy, event }: About): Finding | null {
  if (from.place.cell === to.place.cell) return null;
  if (isOtherData(from.place.generation, to.place.generation)) return null;
  const limits = policy.impossible_travel;
  const [start, end] = [gridCellCentre(from.place.cell), gridCellCentre(to.place.cell)];
  const radiiKm = from.place.radiusKm + to.place.radiusKm;
  // Most pairs are near each other, which the sphere tells with less work.
  if (haversineKm(start, end) * SPHERE_ERROR_MAX - radiiKm <= limits.distance_min_km) return null;
  const distanceKm = geodesicKm(start, end);
  const certainKm = distanceKm - radiiKm;
  if (certainKm <= limits.distance_min_km) return null;
  const elapsedMs = to.atMs - from.atMs;
  // A policy may allow for no skew: nobody travels in no time at all, nor is there such a speed.
  const allowedMs = Math.max(elapsedMs + limits.skew_s * SECOND_MS, SECOND_MS);
  const minSpeedKmh = certainKm / hoursFromMs(allowedMs);
  if (minSpeedKmh <= limits.kmh_threshold) return null;
  if (isOneNetwork(from, to) || isUsual(from, to, event)) return null;

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

/**
 * A mobile carrier's addresses are placed all over its country, whoever has them: two of one Dakar phone lie 275 km
 * apart in DB-IP. Two given positions have nothing to do with that.
 */
const isOneNetwork = (from: Fix, to: Fix): boolean =>
  from.carrier !== 0 &&
  from.carrier === to.carrier &&
  from.place.country !== "" &&
  from.place.country === to.place.country &&
  !(from.place.isGiven && to.place.isGiven);

/** Between two places that the user is often at, what looks like a trip is two devices, or a tunnel to the office. */
const isUsual = (from: Fix, to: Fix, { habits, atMs }: EnrichedEvent): boolean =>
  habits.isOftenAt(from.place, atMs) && habits.isOftenAt(to.place, atMs);

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

/** By the limit of then; the tolerances are those of now. */
const stands: Stands = ({ evidence }, events, policy) => {
  if (events.some(isPlaceUnknown)) return true;
  const limits = policy.impossible_travel;
  const kmh_threshold = Number(evidence.limit_kmh ?? limits.kmh_threshold);
  const then = { ...policy, impossible_travel: { ...limits, kmh_threshold } };
  return findsAnew(impossibleTravel, events, then);
};

export const impossibleTravel: Rule<Trail> = {
  meta,
  initial: Trail.none,
  step,
  stands,
  write: (writer, trail) => trail.write(writer),
  read: Trail.read,
  coarsened: (trail, precision) => trail.coarsened(precision),
};
