import { defaultPolicy, overlayPolicy } from "@vigie/core/policy";
import { MINUTE_MS } from "@vigie/core/time";
import fc from "fast-check";
import { assert, describe, expect, test } from "vitest";
import { at } from "#rules/example";
import type { Finding } from "#rules/rule";
import { addressStateCodec } from "./address-state.ts";
import { examples, failed, letIn, type SprayExample } from "./credential-spray.examples.ts";
import {
  type AddressTries,
  forget,
  forgetAtMs,
  LATENESS_MS,
  nothingKnown,
  step,
  USERS_MAX,
} from "./credential-spray.ts";
import { type Try, tryDecoder, tryEncoder } from "./try.ts";

const codec = addressStateCodec();

const throughBytes = (tries: AddressTries): AddressTries =>
  codec.decode(codec.encode({ tries, watchedUntilMs: 0 }), codec.version).tries;

/** All arrive at once: only event time counts. */
const ARRIVED_MS = at("11:00");

function run({ given, when, policy = {} }: SprayExample, stored: boolean): readonly Finding[] {
  const document = overlayPolicy(defaultPolicy, policy);
  let tries = nothingKnown;
  for (const each of given) {
    tries = step(tries, each, document, ARRIVED_MS).state;
    if (stored) tries = throughBytes(tries);
  }
  return step(tries, when, document, ARRIVED_MS).findings;
}

describe("credential_spray", () => {
  test.each(examples)("$name", (example) => {
    const findings = run(example, true);
    expect(findings).toHaveLength(example.finds.length);
    example.finds.forEach(({ says, ...parts }, i) => {
      expect(findings[i]).toMatchObject(parts);
      expect(findings[i]?.explanation).toContain(says ?? "would not have");
    });
    expect(findings).toEqual(run(example, false));
  });
});

/** What is found, in the order in which it is given. */
function findingsOf(tries: readonly Try[]): readonly Finding[] {
  let state = nothingKnown;
  return tries.flatMap((each) => {
    const next = step(state, each, defaultPolicy, ARRIVED_MS);
    state = next.state;
    return next.findings;
  });
}

/** Each user fails once, at some second of half an hour. */
const failures = fc
  .uniqueArray(fc.integer({ min: 0, max: 1_800 }), { minLength: 1, maxLength: 12 })
  .map((times) =>
    times.map((second, n) => ({ ...failed(`u-${n}`, "10:0"), atMs: at("10:0") + second * 1_000 })),
  );

const hasSpray = (tries: readonly Try[]): boolean =>
  tries.some(
    ({ atMs: fromMs }) =>
      tries.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + 20 * MINUTE_MS).length >= 5,
  );

test("a spray is found in any order of arrival, and none where there is none", () => {
  fc.assert(
    fc.property(failures, (tries) => {
      const findings = findingsOf(tries);
      expect(findings.length > 0).toBe(hasSpray(tries));
      // No two of them tell of the same window.
      const begins = findings.map(({ identity }) => identity[0]);
      expect(new Set(begins).size).toBe(begins.length);
    }),
  );
});

test("a success that comes late is told of, and does not hide the user's newer one", () => {
  const alert = Array.from({ length: 5 }, (_, n) => failed(`u-${n}`, `10:0${n}`));
  let state = nothingKnown;
  for (const each of [...alert, letIn("u-9", "10:40")]) {
    state = step(state, each, defaultPolicy, ARRIVED_MS).state;
  }
  const late = step(state, letIn("u-9", "10:06"), defaultPolicy, ARRIVED_MS);
  expect(late.findings).toHaveLength(1);
  expect(late.state.successes).toMatchObject([{ atMs: at("10:40") }]);
});

test("a failure or success that comes twice changes nothing", () => {
  const tries = fc.array(
    fc.record({ user: fc.integer({ min: 1, max: 9 }), second: fc.nat(3_000), isIn: fc.boolean() }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(tries, (list) => {
      let state = nothingKnown;
      for (const { user, second, isIn } of list) {
        const made = isIn ? letIn(`u-${user}`, "10:0") : failed(`u-${user}`, "10:0");
        const each = { ...made, atMs: at("10:0") + second * 1_000 };
        state = step(state, each, defaultPolicy, ARRIVED_MS).state;
        const again = step(state, each, defaultPolicy, ARRIVED_MS);
        expect(again.state).toBe(state);
        expect(again.findings).toEqual([]);
      }
    }),
  );
});

/** As the detector tells of it. */
function asTold(tried: Try): Try {
  const read = tryDecoder.decode(tryEncoder.encode(tried));
  assert(read.kind === "ok", "what was written can be read");
  return read.value;
}

describe("what an address remembers", () => {
  const many = (count: number, idLength: number): AddressTries => {
    let state = nothingKnown;
    for (let n = 0; n < count; n++) {
      // As many succeed, so that none of it is told of and all of it is kept.
      state = step(state, letIn(`v-${n}`, `10:00:${n % 60}`), defaultPolicy, ARRIVED_MS).state;
      const fail = asTold({
        ...failed(`u-${n}`, `10:00:${n % 60}`),
        eventId: `${n}`.padStart(idLength, "x"),
      });
      state = step(state, fail, defaultPolicy, ARRIVED_MS).state;
    }
    return state;
  };

  // 40 is the longest id that is kept as it is, 128 the longest that is let in.
  test.each([36, 40, 128])("is bounded, and lies in less than 8 KiB, with ids of %i", (length) => {
    const state = many(3 * USERS_MAX, length);
    expect(state.failures).toHaveLength(USERS_MAX);
    expect(state.successes).toHaveLength(USERS_MAX);
    expect(codec.encode({ tries: state, watchedUntilMs: ARRIVED_MS }).length).toBeLessThan(8_192);
    expect(throughBytes(state).failures.map(({ user }) => user)).toEqual(
      state.failures.map(({ user }) => user),
    );
  });

  test("who was let in is let go of once the newest came a window and an hour later; a late one is not kept", () => {
    const after = (tries: AddressTries, user: string, clock: string): AddressTries =>
      step(tries, letIn(user, clock), defaultPolicy, ARRIVED_MS).state;
    const users = ({ successes }: AddressTries) => successes.map(({ atMs }) => atMs);
    const two = after(after(nothingKnown, "v-1", "10:00"), "v-2", "11:20");
    expect(users(two)).toEqual([at("10:00"), at("11:20")]);
    const next = after(two, "v-3", "11:21");
    expect(users(next)).toEqual([at("11:20"), at("11:21")]);
    expect(after(next, "v-1", "10:00:59")).toBe(next);
    expect(users(after(next, "v-1", "10:01"))).toHaveLength(3);
  });

  test("PRV-14: is forgotten a window and an hour after it came, to the minute", () => {
    const state = step(nothingKnown, failed("u-1", "10:00"), defaultPolicy, ARRIVED_MS).state;
    const forgottenMs = ARRIVED_MS + 20 * MINUTE_MS + LATENESS_MS;
    expect(forgetAtMs(state)).toBe(forgottenMs);
    expect(forget(state, forgottenMs - 1)).toBe(state);
    expect(forget(state, forgottenMs)).toEqual(nothingKnown);
    expect(forgetAtMs(nothingKnown)).toBe(Number.POSITIVE_INFINITY);
  });
});
