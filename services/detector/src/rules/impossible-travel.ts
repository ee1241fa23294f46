import { cellCentre, haversineKm } from "@vigie/core/geo";
import type { PolicyDocument } from "@vigie/core/policy";
import { hoursFromMs, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { type Place, RADIUS_STEPS_PER_KM, samePlace } from "#enrich/place";
import type { Reader, Writer } from "#state/bytes";
import { type Id, readId, sameId, writeId } from "#state/id";
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
  severity: "HIGH",
  riskScore: 95,
  action: "STEP_UP",
};

/** A user was at a place at a time. */
export interface Fix {
  readonly atMs: number;
  readonly place: Place;
  readonly eventId: Id;
  readonly sessionId: Id | null;
}

/** The last fixes of a user, sorted by event time. */
export type Trail = readonly Fix[];

/** Enough for the neighbours in time of an event that is hours late, since a stay is thinned. */
export const FIXES_MAX = 12;
/** Of a stay at one place, fixes in between are kept this far apart: a heartbeat every 30 s would fill the trail. */
export const STAY_STEP_MS = 10 * MINUTE_MS;

export function step(trail: Trail, event: EnrichedEvent, policy: PolicyDocument): Step<Trail> {
  const place = event.position;
  if (place === null) return quiet(trail);
  const { atMs, id } = event;
  let next = trail.length;
  while (next > 0 && (trail[next - 1] as Fix).atMs > atMs) next--;
  const before = trail[next - 1];
  const after = trail[next];
  if (before?.atMs === atMs && sameId(before.eventId, id)) return quiet(trail);

  const here = fixOf(trail, event, place);
  const state = remember(trail, here, next);
  const arrival = before === undefined ? null : judge(before, here, policy);
  const departure = after === undefined ? null : judge(here, after, policy);
  if (arrival === null && departure === null) return quiet(state);
  return { state, findings: [arrival, departure].filter((finding) => finding !== null) };
}

/** The event as a fix that shares the places and sessions of the trail, so that each is stored once. */
function fixOf(trail: Trail, event: EnrichedEvent, place: Place): Fix {
  let known = place;
  let { sessionId }: { sessionId: Id | null } = event;
  for (const fix of trail) {
    if (samePlace(fix.place, place)) known = fix.place;
    if (sessionId !== null && fix.sessionId !== null && sameId(fix.sessionId, sessionId))
      sessionId = fix.sessionId;
  }
  return { atMs: event.atMs, place: known, eventId: event.id, sessionId };
}

function remember(trail: Trail, here: Fix, at: number): Trail {
  const fixes = trail.slice();
  fixes.splice(at, 0, here);
  const last = fixes.length - 1;
  const [a, b, c] = [fixes[last - 2], fixes[last - 1], fixes[last]];
  // The newest is always kept, so an event in time is compared with the very last fix.
  if (a !== undefined && b !== undefined && c !== undefined) {
    const stay = a.place === b.place && b.place === c.place;
    if (stay && c.atMs - a.atMs < STAY_STEP_MS) fixes.splice(last - 1, 1);
  }
  if (fixes.length > FIXES_MAX) fixes.shift();
  return fixes;
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

/** Places and sessions once each, then the fixes with times as differences. */
function write(writer: Writer, trail: Trail): void {
  const places: Place[] = [];
  const sessions: Id[] = [];
  for (const { place, sessionId } of trail) {
    if (!places.includes(place)) places.push(place);
    if (sessionId !== null && !sessions.includes(sessionId)) sessions.push(sessionId);
  }
  writer.room(3);
  writer.u8(trail.length);
  writer.u8(places.length);
  writer.u8(sessions.length);
  for (const place of places) writePlace(writer, place);
  for (const session of sessions) writeId(writer, session);
  let lastMs = 0;
  for (const fix of trail) {
    writer.room(1);
    const session = fix.sessionId === null ? 0 : sessions.indexOf(fix.sessionId) + 1;
    writer.u8(places.indexOf(fix.place) * 16 + session);
    writer.signed(fix.atMs - lastMs);
    writeId(writer, fix.eventId);
    lastMs = fix.atMs;
  }
}

function read(reader: Reader): Trail {
  const count = reader.u8();
  const places: Place[] = [];
  const sessions: Id[] = [];
  const placeCount = reader.u8();
  const sessionCount = reader.u8();
  for (let i = 0; i < placeCount; i++) places.push(readPlace(reader));
  for (let i = 0; i < sessionCount; i++) sessions.push(readId(reader));
  const trail: Fix[] = [];
  let atMs = 0;
  for (let i = 0; i < count; i++) {
    const packed = reader.u8();
    atMs += reader.signed();
    const eventId = readId(reader);
    const place = places[packed >> 4] as Place;
    trail.push({ atMs, place, eventId, sessionId: sessions[(packed & 15) - 1] ?? null });
  }
  return trail;
}

function writePlace(writer: Writer, place: Place): void {
  writer.u32(place.cell);
  writer.varint(Math.round(place.radiusKm * RADIUS_STEPS_PER_KM));
  writer.text(place.country);
  writer.text(place.city);
}

function readPlace(reader: Reader): Place {
  const cell = reader.u32();
  const radiusKm = reader.varint() / RADIUS_STEPS_PER_KM;
  const country = reader.text();
  return { cell, radiusKm, country, city: reader.text() };
}

export const impossibleTravel: Rule<Trail> = { meta, initial: [], step, write, read };
