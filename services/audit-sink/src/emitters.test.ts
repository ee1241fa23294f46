import fc from "fast-check";
import { expect, test } from "vitest";
import {
  dueAtMs,
  followed,
  GRACE_MS,
  givenUp,
  instanceOf,
  type Series,
  SILENT_MS,
  superseded,
} from "./emitters.ts";
import { entryOfAudit } from "./entry.ts";
import { auditEvent, T0 } from "./testing.ts";

const BOOT = "edge.e-1.6b1f5a0e-4c3d-4e8f-9a7b-2d4c6e8f0a1b";

const entryOf = (seq: number, over: Parameters<typeof auditEvent>[1] = {}) =>
  entryOfAudit(auditEvent(seq, over), {
    topic: "id.audit",
    partition: 0,
    offset: seq,
    timestampMs: T0 + seq,
  });

const after = (numbers: readonly number[]): Series | undefined =>
  numbers.reduce<Series | undefined>(
    (series, seq) => followed(series, entryOf(seq), T0),
    undefined,
  );

const missedOf = (series: Series | undefined) =>
  series?.missed.map(({ from, to }) => [from, to]) ?? [];

test.each<[string, number[], [number, number][]]>([
  ["numbers from 1 on miss nothing", [1, 2, 3], []],
  ["a hole is missed", [1, 4], [[2, 3]]],
  ["so is the beginning", [3], [[1, 2]]],
  ["what comes late fills its hole", [1, 4, 3, 2], []],
  [
    "in the middle, it leaves two",
    [1, 6, 4],
    [
      [2, 3],
      [5, 5],
    ],
  ],
  ["what comes again changes nothing", [1, 2, 2, 1, 4, 4], [[3, 3]]],
])("%s", (_, numbers, missed) => {
  expect(missedOf(after(numbers))).toEqual(missed);
});

test("what is missed is exactly what has not come, in any order", () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { minLength: 1 });
  fc.assert(
    fc.property(numbers, (given) => {
      const series = after(given);
      const missed = new Set(
        series?.missed.flatMap(({ from, to }) =>
          Array.from({ length: (to ?? 0) - from + 1 }, (_, i) => from + i),
        ),
      );
      const all = Array.from({ length: Math.max(...given) }, (_, i) => i + 1);
      expect([...missed].sort((a, b) => a - b)).toEqual(all.filter((seq) => !given.includes(seq)));
    }),
  );
});

test("a hole is given up after its time, once, as an entry that anybody can reckon", () => {
  const series = after([1, 4]) as Series;
  expect(dueAtMs(series)).toBe(T0 + GRACE_MS);
  expect(givenUp(series, T0 + GRACE_MS - 1).gaps).toEqual([]);
  const { series: rest, gaps } = givenUp(series, T0 + GRACE_MS);
  expect(gaps).toMatchObject([
    {
      action: "audit.gap_detected",
      tenantKey: "platform",
      emitter: "audit-sink",
      occurredAtMs: T0 + 4,
      origin: { topic: "id.audit", offset: 4 },
      payload: { emitter: "edge.1", from: 2, to: 3 },
    },
  ]);
  expect(rest).toMatchObject({ missed: [], missing: 2, nextSeq: 5 });
  expect(givenUp(series, T0 + 9 * GRACE_MS).gaps[0]?.eventId).toBe(gaps[0]?.eventId);
  expect(dueAtMs(rest)).toBeNull();
});

test("a series full of holes is not waited for", () => {
  const series = after(Array.from({ length: 150 }, (_, i) => 2 * i + 2)) as Series;
  expect(dueAtMs(series)).toBe(0);
  expect(givenUp(series, T0).gaps).toHaveLength(50);
});

test("only a process that numbers anew with each start has boots", () => {
  expect(instanceOf(BOOT)).toBe("edge.e-1");
  expect(instanceOf("vigie.sessions.3")).toBeNull();
});

function bootOf(emitter: string, numbers: readonly number[], closes: boolean): Series {
  const last = numbers.at(-1);
  return numbers.reduce<Series | undefined>((series, seq) => {
    const action = closes && seq === last ? "audit.series_closed" : "x";
    return followed(series, entryOf(seq, { emitter, action }), T0);
  }, undefined) as Series;
}

test("a boot that never closed is given up once a later one is known; one that closed is not", () => {
  const newest = { lastAtMs: T0 + 100, by: entryOf(100).origin };
  const [open, closed] = [bootOf(BOOT, [1, 2], false), bootOf(BOOT, [1, 2], true)];
  expect(superseded([closed], newest, T0)).toEqual([closed]);
  const [ended] = superseded([open], newest, T0) as [Series];
  expect(superseded([ended], newest, T0 + 5)).toEqual([ended]);
  // It was only read late: the record that closes it takes the matter back.
  const saved = followed(ended, entryOf(3, { emitter: BOOT, action: "audit.series_closed" }), T0);
  expect(saved).toMatchObject({ closed: true, missed: [] });
  // Records that come after the notice move where it broke off.
  const later = followed(ended, entryOf(3, { emitter: BOOT }), T0);
  const { gaps, series } = givenUp(later, T0 + GRACE_MS);
  expect(gaps).toMatchObject([{ payload: { emitter: BOOT, from: 4, to: null } }]);
  expect(superseded([series], newest, T0)).toEqual([series]);
});

test("a boot of which nothing comes for a day is given up where it is, if it was not closed", () => {
  const [open, closed] = [bootOf(BOOT, [1, 2], false), bootOf(BOOT, [1, 2], true)];
  const endMs = T0 + 2 + SILENT_MS;
  expect(dueAtMs(open)).toBe(endMs);
  expect(givenUp(open, endMs - 1)).toEqual({ series: open, gaps: [] });
  const { series, gaps } = givenUp(open, endMs);
  expect(gaps).toMatchObject([
    { origin: { offset: 2 }, payload: { emitter: BOOT, from: 3, to: null } },
  ]);
  expect(series).toMatchObject({ closed: true, missed: [] });
  expect([dueAtMs(series), dueAtMs(closed), dueAtMs(after([1, 2]) as Series)]).toEqual([
    null,
    null,
    null,
  ]);
});

test("a hole is given up before that, and each record that comes puts that off", () => {
  const series = bootOf(BOOT, [1, 3], false);
  expect(dueAtMs(series)).toBe(T0 + GRACE_MS);
  const { series: rest } = givenUp(series, T0 + GRACE_MS);
  expect(dueAtMs(rest)).toBe(T0 + 3 + SILENT_MS);
  expect(dueAtMs(followed(rest, entryOf(4, { emitter: BOOT }), T0))).toBe(T0 + 4 + SILENT_MS);
});
