import { assert } from "@vigie/core/assert";
import type { StateCodec } from "../codec.ts";

/**
 * How the state of a key lies in the store and in the changelog: one byte of format, the version of the codec
 * that wrote it, the time it wants to be woken at, then the codec's bytes. The time stands in front so that the
 * wake index can be derived from the state without its codec, after a restore too.
 */
const FORMAT = 1;
const VERSION_AT = 1;
const WAKE_AT = 3;
export const ENVELOPE_HEADER_BYTES = 11;
const VERSION_MAX = 0xffff;

/** The envelope of a state. */
export function sealState<S>(codec: StateCodec<S>, state: S, wakeAtMs: number | null): Buffer {
  const bytes = codec.encode(state);
  if (codec.room === undefined) return sealEnvelope(bytes, codec.version, wakeAtMs);
  const sealed = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  writeHeader(sealed, codec.version, wakeAtMs);
  return sealed;
}

/** The state of an envelope, whose bytes become the codec's. Throws: VIG_INVARIANT as `wakeOf`. */
export function openState<S>(codec: StateCodec<S>, sealed: Uint8Array): S {
  assertSealed(sealed);
  const version = ((sealed[VERSION_AT] as number) << 8) | (sealed[VERSION_AT + 1] as number);
  const bytes = codec.room === undefined ? sealed.subarray(ENVELOPE_HEADER_BYTES) : sealed;
  return codec.decode(bytes, version);
}

export function sealEnvelope(state: Uint8Array, version: number, wakeAtMs: number | null): Buffer {
  const sealed = Buffer.allocUnsafe(ENVELOPE_HEADER_BYTES + state.length);
  writeHeader(sealed, version, wakeAtMs);
  sealed.set(state, ENVELOPE_HEADER_BYTES);
  return sealed;
}

function writeHeader(sealed: Buffer, version: number, wakeAtMs: number | null): void {
  assert(version >= 0 && version <= VERSION_MAX, "a codec version fits two bytes");
  sealed[0] = FORMAT;
  sealed.writeUInt16BE(version, VERSION_AT);
  sealed.writeDoubleBE(wakeAtMs ?? Number.NaN, WAKE_AT);
}

/** When a state wants to be woken. Throws: VIG_INVARIANT for bytes that no envelope begins with. */
export function wakeOf(sealed: Uint8Array): number | null {
  assertSealed(sealed);
  const view = new DataView(sealed.buffer, sealed.byteOffset, ENVELOPE_HEADER_BYTES);
  const wakeAtMs = view.getFloat64(WAKE_AT);
  return Number.isNaN(wakeAtMs) ? null : wakeAtMs;
}

function assertSealed(sealed: Uint8Array): void {
  assert(sealed.length >= ENVELOPE_HEADER_BYTES && sealed[0] === FORMAT, "a state has an envelope");
}
