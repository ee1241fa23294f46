import { GRID_LIMIT } from "@vigie/core/geo";
import { unknownAddress } from "@vigie/geoip/geoip";
import { GIVEN, Place } from "@vigie/geoip/place";
import * as fc from "fast-check";
import type { Signals } from "#enrich/signals";
import { TRAIT_BITS, TRAIT_COUNT } from "#enrich/traits";
import type { EnrichedEvent, EventDevice, EventKind } from "#rules/rule";
import { Habits } from "./habits.ts";
import { Population } from "./population.ts";

/** Generators of what a rule may meet; for property tests. */
const kinds: readonly EventKind[] = [
  "login_success",
  "login_failure",
  "heartbeat",
  "mfa_success",
  "mfa_failure",
  "geo",
];

/** Canonical UUIDs, ones in capitals, and any other text up to the contract's length. */
export const id: fc.Arbitrary<string> = fc.oneof(
  fc.uuid(),
  fc.uuid().map((uuid) => uuid.toUpperCase()),
  fc.constant("ffffffff-ffff-ffff-ffff-ffffffffffff"),
  fc.string({ minLength: 1, maxLength: 128, unit: "grapheme" }),
);

const name = fc.oneof(
  fc.constantFrom("os", "os_version", "browser", "device_model", "screen", "platform"),
  fc.string({ minLength: 1, maxLength: 40 }),
);
const value = fc.oneof(
  fc.constantFrom("Android", "14", "Chrome", "Thiès", ""),
  fc.string({ maxLength: 200, unit: "grapheme" }),
);
export const signals: fc.Arbitrary<Signals> = fc.dictionary(name, value, {
  maxKeys: 30,
  noNullPrototype: true,
});

const place: fc.Arbitrary<Place> = fc
  .tuple(
    fc.oneof(fc.constant(0), fc.constant(15_149_390), fc.integer({ min: 0, max: GRID_LIMIT - 1 })),
    fc.oneof(
      fc.constant(150),
      fc.integer({ min: 0, max: 200_150 }).map((steps) => steps / 10),
    ),
    fc.constantFrom("SN", ""),
    fc.constantFrom("Dakar", "Thiès", ""),
    fc.constantFrom(GIVEN, 1, 2, 0xffff),
  )
  .map((parts) => new Place(...parts));

const device: fc.Arbitrary<EventDevice> = fc.record({
  id: fc.option(fc.oneof(fc.constantFrom("a", "b"), id)),
  similarity: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  signals,
});

/** Within some days, so that neighbours in time are met in any order. */
const FIRST_MS = Date.UTC(2026, 0, 5);
const atMs = fc.integer({ min: FIRST_MS, max: FIRST_MS + 3 * 86_400_000 });

export const event: fc.Arbitrary<EnrichedEvent> = fc.record({
  id,
  kind: fc.constantFrom(...kinds),
  tenantId: fc.constant("acme"),
  userId: fc.constant("u-1"),
  sessionId: fc.option(fc.oneof(fc.constantFrom("s-1", "s-2"), id)),
  channel: fc.constant("MOBILE" as const),
  atMs,
  position: fc.option(place),
  device: fc.option(device),
  userAgent: fc.constant(null),
  address: fc.constant(unknownAddress),
  givenCountry: fc.constant(null),
  boughtCountry: fc.constant(null),
  sim: fc.constant(null),
  roles: fc.constant([]),
  habits: fc.constant(Habits.none),
  traits: fc.array(fc.nat(2 ** TRAIT_BITS - 1), { minLength: TRAIT_COUNT, maxLength: TRAIT_COUNT }),
  population: fc.constant(Population.none),
});
