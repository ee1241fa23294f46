import { Reader, Writer } from "@vigie/core/bytes";
import { defaultPolicy } from "@vigie/core/policy";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { placeAt } from "@vigie/geoip/place";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FIXES_MAX } from "#state/trail";
import { bruteforce } from "./bruteforce.ts";
import { ABIDJAN, DAKAR, heartbeat, LAGOS, mfaFailure, PARIS } from "./example.ts";
import { impossibleTravel } from "./impossible-travel.ts";
import { mfaFatigue } from "./mfa-fatigue.ts";
import type { AnyRule, EnrichedEvent, Finding } from "./rule.ts";

/** What is found does not hang on the order in which events arrive. */

const START_MS = Date.UTC(2026, 0, 5);

/** What a rule finds at each of the events, in their order, with its state stored after every one. */
function findingsAt(rule: AnyRule, events: readonly EnrichedEvent[]): (readonly Finding[])[] {
  let state: unknown = rule.initial;
  return events.map((event) => {
    const step = rule.step(state, event, defaultPolicy);
    const writer = new Writer();
    rule.write(writer, step.state);
    const bytes = writer.finish();
    state = rule.read(new Reader(bytes, 0, bytes.length));
    return step.findings;
  });
}

const sorted = (events: readonly EnrichedEvent[]): EnrichedEvent[] =>
  events.toSorted((a, b) => a.atMs - b.atMs);
const identityOf = ({ identity }: Finding): string => identity.join(" ");
const identities = (found: (readonly Finding[])[]): string[] => found.flat().map(identityOf);

describe("impossible_travel", () => {
  const places = [
    DAKAR,
    PARIS,
    ABIDJAN,
    LAGOS,
    placeAt({ lat: 14.79, lon: -16.93 }, 150, "SN", "", 1),
  ];
  /** As many as are retained, each at a time of its own, far enough apart that no stay is thinned. */
  const fixes = fc
    .uniqueArray(fc.integer({ min: 0, max: 150 }), { minLength: 2, maxLength: FIXES_MAX })
    .chain((slots) =>
      fc.tuple(
        ...slots.map((slot) =>
          fc.constantFrom(...places).map(
            (position): EnrichedEvent => ({
              ...heartbeat("00:00", { position, id: `fix-${slot}`, sessionId: `session-${slot}` }),
              atMs: START_MS + slot * 10 * MINUTE_MS,
            }),
          ),
        ),
      ),
    );

  test("every anomaly of the order of time is found in any order of arrival", () =>
    fc.assert(
      fc.property(fixes, (events) => {
        const arrived = identities(findingsAt(impossibleTravel, events));
        const inTime = identities(findingsAt(impossibleTravel, sorted(events)));
        expect(arrived).toEqual(expect.arrayContaining(inTime));
      }),
    ));

  test("what is found besides are pairs that were neighbours when judged, each once", () =>
    fc.assert(
      fc.property(fixes, (events) => {
        const found = findingsAt(impossibleTravel, events);
        found.forEach((findings, i) => {
          const known = sorted(events.slice(0, i + 1)).map(({ id }) => id);
          for (const { causes } of findings) {
            const at = known.indexOf(causes[0] as string);
            expect(known.slice(at, at + 2)).toEqual(causes);
            expect(causes).toContain(events[i]?.id);
          }
        });
        expect(new Set(identities(found)).size).toBe(identities(found).length);
      }),
    ));

  test("times between are never negative, and a finding is the later event's", () =>
    fc.assert(
      fc.property(fixes, (events) => {
        for (const { evidence, occurredAtMs, causes, sessionId } of findingsAt(
          impossibleTravel,
          events,
        ).flat()) {
          expect(Number(evidence.elapsed_s)).toBeGreaterThanOrEqual(0);
          expect(Number(evidence.speed_kmh)).toBeGreaterThan(0);
          const later = events.find(({ id }) => id === causes[1]);
          expect([occurredAtMs, sessionId]).toEqual([later?.atMs, later?.sessionId]);
        }
      }),
    ));

  test("however many come, nothing is found that is no pair of theirs", () =>
    fc.assert(
      fc.property(fc.array(fixes, { minLength: 2, maxLength: 6 }), (lots) => {
        const events = lots.flatMap((lot, n) =>
          lot.map((each) => ({ ...each, id: `${n}-${each.id}` })),
        );
        const ids = new Set(events.map(({ id }) => id));
        for (const { causes } of findingsAt(impossibleTravel, events).flat()) {
          expect(causes.every((id) => ids.has(id))).toBe(true);
        }
      }),
    ));
});

describe.each([
  {
    name: "bruteforce",
    rule: bruteforce as AnyRule,
    kind: "mfa_failure",
    count: 6,
    windowMs: HOUR_MS,
  },
  {
    name: "mfa_fatigue",
    rule: mfaFatigue as AnyRule,
    kind: "mfa_challenge",
    count: 5,
    windowMs: 10 * MINUTE_MS,
  },
] as const)("$name", ({ rule, kind, count, windowMs }) => {
  const at = (ms: number, n: number): EnrichedEvent => ({
    ...mfaFailure("00:00", { id: `try-${n}` }),
    kind,
    atMs: START_MS + ms,
  });
  /** Times in three windows, in no order; as many as are retained. */
  const tries = fc
    .uniqueArray(fc.integer({ min: 0, max: 3 * windowMs }), { minLength: 1, maxLength: 30 })
    .map((times) => times.map(at));
  const exactly = (spanMs: number, n: number) =>
    fc
      .uniqueArray(fc.integer({ min: 1, max: spanMs - 1 }), { minLength: n - 2, maxLength: n - 2 })
      .chain((between) => fc.shuffledSubarray([0, ...between, spanMs], { minLength: n }))
      .map((times) => times.map(at));

  test("one fewer than the limit never fires, so many within the window do, over it do not", () =>
    fc.assert(
      fc.property(
        exactly(windowMs - SECOND_MS, count - 1),
        exactly(windowMs - 1, count),
        exactly(windowMs + SECOND_MS, count),
        (fewer, within, over) => {
          expect(findingsAt(rule, fewer).flat()).toEqual([]);
          expect(findingsAt(rule, within).flat()).toHaveLength(1);
          expect(findingsAt(rule, over).flat()).toEqual([]);
        },
      ),
    ));

  test("every window of the order of time shares an event with an alert, in any order of arrival", () =>
    fc.assert(
      fc.property(tries, (events) => {
        const told = new Set(
          findingsAt(rule, events).flatMap((found) => found.flatMap((f) => f.causes)),
        );
        for (const { causes } of findingsAt(rule, sorted(events)).flat()) {
          expect(causes.some((id) => told.has(id))).toBe(true);
        }
      }),
    ));

  test("every alert is a window of its own: no event is told of twice", () =>
    fc.assert(
      fc.property(tries, (events) => {
        const times = new Map(events.map(({ id, atMs }) => [id, atMs]));
        const told = new Set<string>();
        for (const { causes, identity } of findingsAt(rule, events).flat()) {
          expect(causes).toHaveLength(count);
          const at = causes.map((id) => times.get(id) as number);
          expect(at).toEqual(at.toSorted((a, b) => a - b));
          expect((at.at(-1) as number) - (at[0] as number)).toBeLessThan(windowMs);
          expect(identity.at(-1)).toBe(causes[0]);
          for (const id of causes) {
            expect(told.has(id)).toBe(false);
            told.add(id);
          }
        }
      }),
    ));

  test("in the order of time the next alert counts only what is later than the last one's newest", () =>
    fc.assert(
      fc.property(tries, (events) => {
        const times = new Map(events.map(({ id, atMs }) => [id, atMs]));
        let newestMs = 0;
        for (const { causes } of findingsAt(rule, sorted(events)).flat()) {
          expect(times.get(causes[0] as string)).toBeGreaterThan(newestMs);
          newestMs = times.get(causes.at(-1) as string) as number;
        }
      }),
    ));

  test("an event that comes again changes nothing", () =>
    fc.assert(
      fc.property(tries, (events) => {
        const twice = events.flatMap((event) => [event, event]);
        expect(identities(findingsAt(rule, twice))).toEqual(identities(findingsAt(rule, events)));
      }),
    ));
});
