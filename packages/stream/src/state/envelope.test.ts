import assert from "node:assert/strict";
import { test } from "vitest";
import type { StateCodec } from "../codec.ts";
import { ENVELOPE_HEADER_BYTES, openState, sealState, wakeOf } from "./envelope.ts";

const copied: StateCodec<string> = {
  version: 7,
  encode: (text) => Buffer.from(text),
  decode: (bytes) => Buffer.from(bytes).toString(),
};

/** The same states, which are kept as bytes behind the runtime's room. */
const roomy: StateCodec<Buffer> = {
  version: 7,
  room: ENVELOPE_HEADER_BYTES,
  encode: (bytes) => bytes,
  decode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
};
const roomFor = (text: string): Buffer =>
  Buffer.concat([Buffer.alloc(ENVELOPE_HEADER_BYTES), Buffer.from(text)]);

test("a state that leaves room lies in the store as one that does not", () => {
  for (const wakeAtMs of [null, 1_700_000_000_000]) {
    const sealed = sealState(roomy, roomFor("état"), wakeAtMs);
    assert.deepEqual(sealed, sealState(copied, "état", wakeAtMs));
    assert.equal(wakeOf(sealed), wakeAtMs);
    assert.equal(openState(copied, sealed), "état");
    assert.equal(String(openState(roomy, sealed).subarray(ENVELOPE_HEADER_BYTES)), "état");
  }
});

test("a state that leaves room is neither copied into its envelope nor out of it", () => {
  const state = roomFor("x".repeat(20));
  const sealed = sealState(roomy, state, null);
  assert.equal(sealed, state);
  assert.equal(openState(roomy, sealed).buffer, state.buffer);
});

test("bytes that no envelope begins with are refused", () => {
  for (const bytes of [Buffer.alloc(5, 1), Buffer.alloc(30, 2)]) {
    assert.throws(() => openState(copied, bytes), /envelope/);
    assert.throws(() => wakeOf(bytes), /envelope/);
  }
});
