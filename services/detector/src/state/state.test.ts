import { defaultPolicy } from "@vigie/core/policy";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rules } from "#rules/index";
import type { AnyRule, EnrichedEvent } from "#rules/rule";
import { event, id, signals } from "./arbitraries.ts";
import { Reader, Writer } from "./bytes.ts";
import { type Id, readId, sameId, writeId } from "./id.ts";
import { isPrintOf, printOf, signalsOf } from "./print.ts";
import { SEEN_MAX, SeenIds } from "./seen.ts";
import { Part, type UserState, userStateCodec } from "./user-state.ts";

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
        if (Object.values(one).every((value) => value.length <= 96))
          expect(one).toMatchObject(kept);
      }),
    ));
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

const codec = userStateCodec(rules);

const stateAfter = (events: readonly EnrichedEvent[]): UserState => {
  let seen = SeenIds.none;
  const values = rules.map(({ initial }) => initial as unknown);
  for (const one of events) {
    seen = seen.add(one.id) ?? seen;
    rules.forEach((rule, slot) => {
      values[slot] = rule.step(values[slot], one, defaultPolicy).state;
    });
  }
  return { seen, parts: values.map((value) => new Part(value, null)) };
};

const valuesOf = (state: UserState): unknown =>
  JSON.parse(
    JSON.stringify(
      rules.map((rule, slot) => state.parts[slot]?.of(rule) ?? null),
      (_key, value: unknown) =>
        value !== null && typeof value === "object" ? plain(value) : value,
    ),
  );

/** Stored ids and prints as what they stand for. */
function plain(value: object): unknown {
  if ("bytes" in value && "from" in value && "to" in value) {
    const print = value as Parameters<typeof signalsOf>[0];
    return "is" in value ? value.toString() : signalsOf(print);
  }
  return value;
}

describe("a user's state", () => {
  test("is the same after it was stored, touched or not", () =>
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const state = stateAfter(events);
        const bytes = Buffer.from(codec.encode(state));
        const untouched = codec.decode(bytes, codec.version);
        expect(Buffer.from(codec.encode(untouched)).equals(bytes)).toBe(true);
        const read = codec.decode(bytes, codec.version);
        expect(valuesOf(read)).toEqual(valuesOf(state));
        expect(Buffer.from(codec.encode(read)).equals(bytes)).toBe(true);
        const touched = {
          ...read,
          parts: rules.map((r, i) => new Part(read.parts[i]?.of(r), null)),
        };
        expect(Buffer.from(codec.encode(touched)).equals(bytes)).toBe(true);
      }),
      { numRuns: 200 },
    ));

  test("is bounded: ten thousand events leave less than 32 KiB", () => {
    const events = fc.sample(event, { numRuns: 10_000, seed: 1 });
    expect(codec.encode(stateAfter(events)).length).toBeLessThan(32_768);
  });

  test("keeps nothing of the bytes it was read from", () => {
    const bytes = codec.encode(stateAfter(fc.sample(event, { numRuns: 20, seed: 2 })));
    const copy = Buffer.from(bytes);
    const state = codec.decode(bytes, codec.version);
    bytes.fill(0);
    expect(Buffer.from(codec.encode(state)).equals(copy)).toBe(true);
  });

  test("loses the part of a rule that is gone, and starts a new rule from nothing", () => {
    const bytes = codec.encode(stateAfter(fc.sample(event, { numRuns: 20, seed: 3 })));
    const fewer = userStateCodec(rules.slice(1));
    const without = fewer.encode(fewer.decode(bytes, fewer.version));
    expect(without.length).toBeLessThan(bytes.length);
    expect(codec.decode(without, codec.version).parts[0]).toBeNull();
  });

  test("of an unknown version is refused, and so are two rules with one part", () => {
    expect(() => codec.decode(Buffer.from([0]), 99)).toThrow("VIG_INVARIANT");
    expect(() => userStateCodec([rules[0], rules[0]] as AnyRule[])).toThrow("VIG_INVARIANT");
  });
});
