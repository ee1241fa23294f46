import type { PolicyOverlay } from "@vigie/core/policy";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { type Address, organisationOf, unknownAddress } from "@vigie/geoip/geoip";
import { GIVEN, Place, placeAt } from "@vigie/geoip/place";
import type { Channel } from "@vigie/schemas/types";
import type { Signals } from "#enrich/signals";
import { simOf } from "#enrich/sim";
import { type Traits, unknownTraits } from "#enrich/traits";
import { Habits } from "#state/habits";
import { Population } from "#state/population";
import type { EnrichedEvent, EventDevice, EventKind } from "./rule.ts";

/** A worked example of a rule. One test runs all of them, with the state written and read after every event. */
export interface Example {
  readonly name: string;
  /** In the order of their delivery. The logins among them make the user's habits. */
  readonly given: readonly EnrichedEvent[];
  readonly when: EnrichedEvent;
  readonly policy?: PolicyOverlay;
  /** Each expected finding, as the parts that matter. */
  readonly finds: readonly Expected[];
}

export interface Expected {
  readonly causes?: readonly string[];
  readonly occurredAtMs?: number;
  readonly sessionId?: string | null;
  readonly evidence?: Readonly<Record<string, string>>;
  readonly says?: string;
}

const DAY_START_MS = Date.UTC(2026, 0, 5);

/** "10:30" or "10:30:15" on the day of the examples; hours may pass 24. */
export function at(clock: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = clock.split(":").map(Number);
  return DAY_START_MS + hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS;
}

/** Source: the cities' centres, as DB-IP places them. Radii: an address's city, 150 km. All of one generation of data. */
export const DAKAR = placeAt({ lat: 14.7167, lon: -17.4677 }, 150, "SN", "Dakar", 1);
export const PARIS = placeAt({ lat: 48.8566, lon: 2.3522 }, 150, "FR", "Paris", 1);
export const ABIDJAN = placeAt({ lat: 5.3544, lon: -4.0017 }, 150, "CI", "Abidjan", 1);
export const LAGOS = placeAt({ lat: 6.5244, lon: 3.3792 }, 150, "NG", "Lagos", 1);
export const THIES = placeAt({ lat: 14.79, lon: -16.93 }, 150, "SN", "Thiès", 1);

/** The same place as other data has it. */
export const inData = ({ cell, radiusKm, country, city }: Place, generation: number): Place =>
  new Place(cell, radiusKm, country, city, generation);
export const given = (place: Place): Place => inData(place, GIVEN);

export interface Content {
  readonly id?: string;
  readonly sessionId?: string | null;
  readonly position?: Place | null;
  readonly device?: EventDevice | null;
  readonly channel?: Channel;
  readonly address?: Address;
  readonly givenCountry?: string;
  readonly mcc?: number;
  readonly roles?: readonly string[];
  readonly traits?: Traits;
  /** What was known of the tenant before. */
  readonly population?: Population;
}

function event(kind: EventKind, clock: string, content: Content): EnrichedEvent {
  const id = content.id ?? uuidOf(`${kind} ${clock}`);
  return {
    id,
    kind,
    tenantId: "acme",
    userId: "u-1",
    sessionId: content.sessionId ?? null,
    channel: content.channel ?? "MOBILE",
    atMs: at(clock),
    position: content.position ?? null,
    device: content.device ?? null,
    userAgent: null,
    address: content.address ?? unknownAddress,
    givenCountry: content.givenCountry ?? null,
    boughtCountry: null,
    sim: content.mcc === undefined ? null : simOf(content.mcc),
    roles: content.roles ?? [],
    habits: Habits.none,
    traits: content.traits ?? unknownTraits,
    population: content.population ?? Population.none,
  };
}

/** The same words give the same id. */
export function uuidOf(words: string): string {
  const hex = Buffer.from(words.padEnd(16, ".").slice(-16)).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const make =
  (kind: EventKind) =>
  (clock: string, content: Content = {}): EnrichedEvent =>
    event(kind, clock, content);

export const login = make("login_success");
export const failedLogin = make("login_failure");
export const heartbeat = make("heartbeat");
export const mfaSuccess = make("mfa_success");
export const mfaFailure = make("mfa_failure");
export const mfaChallenge = make("mfa_challenge");
export const logout = make("logout");
export const geo = make("geo");

/** A login at 9:00 of each of the days from the given one on, counted from the day of the examples. */
export const dailyLogins = (
  { days, from = 0 }: { readonly days: number; readonly from?: number },
  content: Content = {},
): readonly EnrichedEvent[] =>
  Array.from({ length: days }, (_, i) => login(`${(from + i) * 24 + 9}:00`, content));

/** An address of such an organisation. */
export const addressOf = (
  about: Partial<Address> & { readonly organisation: string },
): Address => ({
  ...unknownAddress,
  ...organisationOf(about.asn ?? null, about.organisation),
  ...about,
});

export const device = (
  signals: Signals,
  more: { readonly id?: string | null; readonly similarity?: number } = {},
): EventDevice => ({
  id: more.id === undefined ? "phone-1" : more.id,
  similarity: more.similarity ?? null,
  signals,
});
