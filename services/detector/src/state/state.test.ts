import { Reader, Writer } from "@vigie/core/bytes";
import { defaultPolicy } from "@vigie/core/policy";
import { Place } from "@vigie/geoip/place";
import { TextMap } from "@vigie/schemas/codec-core";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rules } from "#rules/index";
import type { EnrichedEvent } from "#rules/rule";
import { createJudge } from "../judge.ts";
import { event, id, signals } from "./arbitraries.ts";
import { DEVICES_BYTES_MAX, DEVICES_MAX, Devices } from "./devices.ts";
import { type Id, readId, sameId, writeId } from "./id.ts";
import { isPrintOf, isPrintOfMap, printOf, signalsOf } from "./print.ts";
import { SEEN_MAX, SeenIds } from "./seen.ts";
import { FIXES_MAX, type Fix, Trail } from "./trail.ts";
import { type AnyPart, type OpenState, stateFormat, type UserState } from "./user-state.ts";

function throughBytes<T>(write: (writer: Writer) => void, read: (reader: Reader) => T): T {
  const writer = new Writer();
  write(writer);
  const bytes = writer.finish();
  const reader = new Reader(bytes, 0, bytes.length);
  const value = read(reader);
  expect(reader.at).toBe(bytes.length);
  return value;
}

const stored = (text: string): Id => throughBytes((writer) => writeId(writer, text), readId);

describe("bytes", () => {
  test("numbers come back", () =>
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer(), (large, any) => {
        expect(
          throughBytes(
            (writer) => {
              writer.varint(Math.floor(large / 2));
              writer.signed(any);
              writer.u32(large % 2 ** 32);
            },
            (reader) => [reader.varint(), reader.signed(), reader.u32()],
          ),
        ).toEqual([Math.floor(large / 2), any, large % 2 ** 32]);
      }),
    ));

  test("bytes that end early are refused", () => {
    const reader = new Reader(Buffer.from([5, 1, 2]), 0, 3);
    expect(() => reader.text()).toThrow("VIG_INVARIANT");
  });
});

describe("ids", () => {
  test("an id comes back as it was, and equals only itself", () =>
    fc.assert(
      fc.property(id, id, (one, other) => {
        expect(stored(one).toString()).toBe(one);
        expect(sameId(stored(one), one)).toBe(true);
        expect(sameId(stored(one), stored(one))).toBe(true);
        expect(sameId(stored(one), other)).toBe(one === other);
        expect(sameId(stored(one), stored(other))).toBe(one === other);
      }),
    ));

  test("a canonical UUID takes 17 bytes", () => {
    const writer = new Writer();
    writeId(writer, "0193ff42-17aa-7bcd-9f00-ff00ff00ff00");
    expect(writer.at).toBe(17);
  });

  test.each(["0193ff42-17aa-7bcd-9f00-ff00ff00fg00", "0193ff42-17aa-7bcd-9f00-ff00ff00fF00"])(
    "%s is no canonical UUID and is kept as text",
    (text) => {
      expect(stored(text).toString()).toBe(text);
      expect(sameId(stored("0193ff42-17aa-7bcd-9f00-ff00ff00ff00"), text)).toBe(false);
    },
  );
});

describe("fingerprints", () => {
  test("kept signals compare equal to what they were made of, and to nothing else", () =>
    fc.assert(
      fc.property(signals, signals, (one, other) => {
        const print = printOf(one);
        expect(isPrintOf(print, one)).toBe(true);
        const sameBytes = print.bytes.equals(printOf(other).bytes);
        expect(isPrintOf(print, other)).toBe(sameBytes);
        const kept = signalsOf(print);
        if (Object.values(one).every((value) => Buffer.byteLength(value) <= 16))
          expect(one).toMatchObject(kept);
      }),
    ));
});

describe("a fingerprint's signals as they came", () => {
  const PHONE = { os: "Android", screen: "1080x2460", browser: "Chrome", gpu_vendor: "ARM" };
  const shuffled = fc.shuffledSubarray(Object.entries(PHONE), { minLength: 4 });

  test("are found unchanged in whatever order they come", () =>
    fc.assert(
      fc.property(shuffled, (entries) => {
        const map = TextMap.of(Object.fromEntries(entries));
        expect(isPrintOfMap(printOf(PHONE), map)).toBe(true);
      }),
    ));

  test("are never found unchanged when they would be kept as other bytes", () =>
    fc.assert(
      fc.property(fc.oneof(signals, fc.constant(PHONE)), signals, (one, other) => {
        const both = { ...one, ...other };
        const same = printOf(both).bytes.equals(printOf(one).bytes);
        if (isPrintOfMap(printOf(one), TextMap.of(both))) expect(same).toBe(true);
      }),
    ));

  test.each([
    ["one is changed", { ...PHONE, screen: "1080x2461" }],
    ["one is longer", { ...PHONE, screen: "1080x24600" }],
    ["one has come", { ...PHONE, app_version: "1" }],
    ["one is unknown", { ...PHONE, gpu_vendor2: "ARM" }],
    ["another one has gone", { os: "Android", screen: "1080x2460", browser: "Chrome" }],
  ])("are looked at one by one when %s", (_what, now) => {
    expect(isPrintOfMap(printOf(PHONE), TextMap.of(now))).toBe(false);
  });

  test("are looked at one by one when the user agent might fill them", () => {
    const { os: _os, ...less } = PHONE;
    expect(isPrintOfMap(printOf(less), TextMap.of(less))).toBe(false);
  });

  test("are looked at one by one when a name comes twice", () => {
    const twice = TextMap.of({ ...PHONE, os: "iOS" }).bytes;
    const bytes = Buffer.concat([
      Buffer.from([(Object.keys(PHONE).length + 1) * 2]),
      TextMap.of({ os: "Android" }).bytes.subarray(1, -1),
      twice.subarray(1),
    ]);
    const print = printOf({ ...PHONE, app_version: "1" });
    expect(isPrintOfMap(print, new TextMap(bytes, 0, bytes.length))).toBe(false);
  });
});

describe("seen event ids", () => {
  test("an id is found among the newest 128, through bytes or not, and then forgotten", () => {
    let seen = SeenIds.none;
    for (let i = 0; i < 300; i++) {
      const next = seen.add(`event-${i}`);
      expect(next).not.toBeNull();
      seen = next ?? seen;
      if (i % 7 === 0) seen = throughBytes((writer) => seen.write(writer), SeenIds.read);
      expect(seen.add(`event-${i}`)).toBeNull();
      expect(seen.size).toBe(Math.min(i + 1, SEEN_MAX));
    }
    expect(seen.add(`event-${300 - SEEN_MAX}`)).toBeNull();
    expect(seen.add(`event-${299 - SEEN_MAX}`)).not.toBeNull();
  });
});

const judge = createJudge(rules);
const format = stateFormat(judge.parts);
const policy = { version: 0, document: defaultPolicy };

function take(state: OpenState, event: EnrichedEvent): void {
  state.seen = state.seen.add(event.id) ?? state.seen;
  const known = { ...event, habits: judge.habitsOf(state) };
  judge.judge(state, { event: known, policy, key: "acme|u-1", nowMs: 0 });
}

/** The state after events, never taken through its bytes. */
function keptAfter(events: readonly EnrichedEvent[]): UserState {
  const state = stateFormat(judge.parts).open(null);
  for (const one of events) take(state, one);
  return state.seal();
}

/** The state after events, taken through its bytes after every one of them, as in production. */
function storedAfter(events: readonly EnrichedEvent[]): UserState {
  let state: UserState | null = null;
  for (const one of events) {
    const open = format.open(
      state === null ? null : format.decode(format.encode(state), format.version),
    );
    take(open, one);
    state = open.seal();
  }
  return state ?? format.open(null).seal();
}

describe("a user's state", () => {
  test("is the same whether it was stored after every event or kept", () =>
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const kept = keptAfter(events);
        expect(storedAfter(events).bytes.equals(kept.bytes)).toBe(true);
        expect(format.open(kept).seal().bytes.equals(kept.bytes)).toBe(true);
      }),
      { numRuns: 200 },
    ));

  test("is bounded: ten thousand events leave less than 8 KiB", () => {
    const events = fc.sample(event, { numRuns: 10_000, seed: 1 });
    expect(keptAfter(events).bytes.length).toBeLessThan(8_192);
  });

  test("loses the part of a rule that is gone, and starts a new rule from nothing", () => {
    const state = storedAfter(fc.sample(event, { numRuns: 20, seed: 3 }));
    const gone = judge.parts.findIndex(({ part }) => part === rules[0]?.meta.part);
    const without = stateFormat(judge.parts.toSpliced(gone, 1)).open(state).seal();
    expect(without.bytes.length).toBeLessThan(state.bytes.length);
    const open = format.open(without);
    expect(open.has(gone)).toBe(false);
    expect(open.get(gone)).toBe(rules[0]?.initial);
  });

  test("of an unknown version is refused, and so are two parts of one number", () => {
    expect(() => format.decode(Buffer.from([0]), 99)).toThrow("VIG_INVARIANT");
    expect(() => stateFormat([judge.parts[0], judge.parts[0]] as AnyPart[])).toThrow(
      "VIG_INVARIANT",
    );
  });
});

const fix: fc.Arbitrary<Fix> = fc
  .tuple(
    event.filter(({ position }) => position !== null),
    fc.constantFrom(0, 8_346, 29_571),
  )
  .map(([{ atMs, position, id: eventId, sessionId }, carrier]) => ({
    atMs,
    place: position as Place,
    eventId,
    sessionId,
    carrier,
  }));

const plain = (fixes: readonly Fix[]): unknown =>
  fixes.map(({ atMs, place, eventId, sessionId, carrier }) => [
    atMs,
    carrier,
    place.bytes.toString("hex"),
    String(eventId),
    sessionId && String(sessionId),
  ]);

describe("a trail", () => {
  const stored = (trail: Trail): Trail => throughBytes((writer) => trail.write(writer), Trail.read);
  const inOrder = fc
    .array(fix, { maxLength: 40 })
    .map((fixes) => fixes.toSorted((a, b) => a.atMs - b.atMs));

  test("comes to the same by fixes put before its bytes as by all of them written anew", () =>
    fc.assert(
      fc.property(inOrder, (fixes) => {
        let fast = Trail.none;
        let slow = Trail.none;
        for (const one of fixes) {
          fast = stored(fast.prepend(one));
          slow = Trail.of([...slow.fixes(), one]);
          expect(plain(fast.fixes())).toEqual(plain(slow.fixes()));
          expect(fast.newestMs).toBe(one.atMs);
          expect(fast.isAt(one.place)).toBe(true);
          expect(String(fast.newest.eventId)).toBe(one.eventId);
        }
        expect(fast.fixes().length).toBeLessThanOrEqual(FIXES_MAX);
      }),
    ));

  test("of a stay keeps the newest and fixes just under ten minutes apart", () => {
    const place = new Place(1, 150, "SN", "Dakar", 1);
    const about = { sessionId: "s", carrier: 8_346 };
    let trail = Trail.none;
    for (let i = 0; i < 100; i++) {
      const atMs = 1e12 + i * 30_000;
      trail = stored(trail.prepend({ atMs, place, ...about, eventId: `e${i}` }));
    }
    const times = trail.fixes().map(({ atMs }) => (atMs - 1e12) / 30_000);
    expect(times).toEqual([0, 19, 38, 57, 76, 95, 99]);
  });
});

describe("known devices", () => {
  test("take no more room than eight common phones, however long their fingerprints", () => {
    const names = Array.from({ length: 11 }, (_, i) => `signal-${i}`);
    let devices = Devices.none;
    for (let i = 0; i < 20; i++) {
      const print = printOf(
        Object.fromEntries(names.map((name) => [name, `${i}`.padEnd(30, "x")])),
      );
      expect(print.to - print.from).toBeGreaterThan(400);
      const front = { deviceId: `device-${i}`, atMs: 1e12 + i, told: false, print };
      const next = devices.withFront(front, null);
      devices = throughBytes((writer) => {
        next.write(writer);
        expect(writer.at).toBeLessThanOrEqual(DEVICES_BYTES_MAX);
      }, Devices.read);
      const newest = [...devices.list()].map(({ deviceId }) => String(deviceId));
      expect(newest).toEqual([0, 1, 2].filter((k) => k <= i).map((k) => `device-${i - k}`));
    }
  });

  test("are the ones seen last, each once, the newest first", () => {
    const print = printOf({ os: "Android" });
    let devices = Devices.none;
    const expected: string[] = [];
    for (let i = 0; i < 200; i++) {
      const deviceId = `device-${(i * 7) % 11}`;
      const known = devices.find(deviceId);
      expect(known !== null).toBe(expected.includes(deviceId));
      const atMs = 1e12 + i;
      const next = devices.withFront({ deviceId, atMs, told: i % 2 === 1, print }, known);
      devices = throughBytes((writer) => next.write(writer), Devices.read);
      if (expected.includes(deviceId)) expected.splice(expected.indexOf(deviceId), 1);
      expected.unshift(deviceId);
      expected.splice(DEVICES_MAX);
      const list = [...devices.list()];
      expect(list.map((device) => String(device.deviceId))).toEqual(expected);
      expect(list[0]).toMatchObject({ atMs, told: i % 2 === 1 });
      expect(signalsOf(list.at(-1)?.print ?? print)).toEqual({ os: "Android" });
    }
  });
});
