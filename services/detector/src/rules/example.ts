import { countriesOfMcc } from "@vigie/core/mcc";
import type { PolicyOverlay } from "@vigie/core/policy";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import type { Channel } from "@vigie/schemas/types";
import { type Place, placeAt } from "#enrich/place";
import type { Signals } from "#enrich/signals";
import { TRAIT_COUNT, type Traits } from "#enrich/traits";
import { type Address, unknownAddress } from "#geoip/geoip";
import { Habits } from "#state/habits";
import { Population } from "#state/population";
import type { EnrichedEvent, EventDevice, EventKind, EventSim } from "./rule.ts";

/** A worked example of a rule. One test runs all of them, with the state written and read after every event. */
export interface Example {
  readonly name: string;
  /** In the order of their delivery. */
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

/** Source of the reference case: REQUIREMENTS ANO-03. Radii: an address's city, 150 km. */
export const DAKAR = placeAt({ lat: 14.69, lon: -17.44 }, 150, "SN", "Dakar");
export const PARIS = placeAt({ lat: 48.85, lon: 2.35 }, 150, "FR", "Paris");
export const THIES = placeAt({ lat: 14.79, lon: -16.93 }, 150, "SN", "Thiès");

interface Content {
  readonly id?: string;
  readonly sessionId?: string | null;
  readonly position?: Place | null;
  readonly device?: EventDevice | null;
  readonly channel?: Channel;
  readonly address?: Address;
  readonly givenCountry?: string;
  readonly mcc?: number;
  readonly roles?: readonly string[];
  /** What was known of the user before. */
  readonly habits?: Habits;
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
    sim: content.mcc === undefined ? null : simOf(content.mcc),
    roles: content.roles ?? [],
    habits: content.habits ?? Habits.none,
    traits: content.traits ?? new Uint32Array(TRAIT_COUNT),
    population: content.population ?? Population.none,
  };
}

const simOf = (mcc: number): EventSim => ({ mcc, countries: countriesOfMcc(mcc) });

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
export const logout = make("logout");

export const device = (
  signals: Signals,
  more: { readonly id?: string | null; readonly similarity?: number } = {},
): EventDevice => ({
  id: more.id === undefined ? "phone-1" : more.id,
  similarity: more.similarity ?? null,
  signals,
});
