import { expect, test } from "vitest";
import { type Try, tryDecoder, tryEncoder, userHash } from "./try.ts";

const tried: Try = {
  user: Number.MAX_SAFE_INTEGER - 1,
  mark: 4_095,
  atMs: Date.UTC(2026, 0, 5, 10),
  eventId: "event-1",
  letIn: { userId: "ünique", sessionId: null, channel: "USSD", roles: ["teller", "agent"] },
};

function decoded(bytes: Uint8Array) {
  const read = tryDecoder.decode(bytes);
  if (read.kind !== "ok") throw new Error(read.kind);
  return { ...read.value, eventId: String(read.value.eventId) };
}

test("tries come back as they were written", () => {
  for (const each of [tried, { ...tried, letIn: null }, { ...tried, user: userHash("acme|u-1") }]) {
    expect(decoded(tryEncoder.encode(each))).toEqual(each);
  }
});

test("of a hash of 64 bits, as older records have it, the lower 53 count", () => {
  const bytes = Buffer.from(tryEncoder.encode(tried));
  // Behind layout and kind.
  bytes.fill(0xff, 2, 10);
  expect(decoded(bytes).user).toBe(Number.MAX_SAFE_INTEGER);
});

test("the hashes of a million users differ", () => {
  const hashes = new Set(Array.from({ length: 1_000_000 }, (_, n) => userHash(`acme|u-${n}`)));
  // Source: birthday bound, n^2 / 2^54: one in 18,000 to meet any two alike.
  expect(hashes.size).toBe(1_000_000);
});
