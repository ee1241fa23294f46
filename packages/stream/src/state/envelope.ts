import { assert } from "@vigie/core/assert";

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

export interface Envelope {
  readonly version: number;
  /** Milliseconds since the epoch, or null. */
  readonly wakeAtMs: number | null;
  /** A view on the envelope, not a copy. */
  readonly bytes: Uint8Array;
}

export function sealEnvelope(state: Uint8Array, version: number, wakeAtMs: number | null): Buffer {
  assert(version >= 0 && version <= VERSION_MAX, "a codec version fits two bytes");
  const sealed = Buffer.allocUnsafe(ENVELOPE_HEADER_BYTES + state.length);
  sealed[0] = FORMAT;
  sealed.writeUInt16BE(version, VERSION_AT);
  sealed.writeDoubleBE(wakeAtMs ?? Number.NaN, WAKE_AT);
  sealed.set(state, ENVELOPE_HEADER_BYTES);
  return sealed;
}

/** Throws: VIG_INVARIANT for bytes that no envelope begins with. */
export function openEnvelope(sealed: Uint8Array): Envelope {
  return {
    wakeAtMs: wakeOf(sealed),
    version: ((sealed[VERSION_AT] as number) << 8) | (sealed[VERSION_AT + 1] as number),
    bytes: sealed.subarray(ENVELOPE_HEADER_BYTES),
  };
}

/** The wake time alone. Throws: VIG_INVARIANT for bytes that no envelope begins with. */
export function wakeOf(sealed: Uint8Array): number | null {
  assert(sealed.length >= ENVELOPE_HEADER_BYTES && sealed[0] === FORMAT, "a state has an envelope");
  const view = new DataView(sealed.buffer, sealed.byteOffset, ENVELOPE_HEADER_BYTES);
  const wakeAtMs = view.getFloat64(WAKE_AT);
  return Number.isNaN(wakeAtMs) ? null : wakeAtMs;
}
