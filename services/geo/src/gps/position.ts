import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import { isPoint, type Point } from "@vigie/core/geo";

/** Where a device said that it is. */
export interface Position extends Point {
  /** Metres, >= 0; null: it did not say. */
  readonly accuracyM: number | null;
  /** ms since the epoch. */
  readonly capturedAtMs: number;
}

/** First byte; another layout takes another number. */
const LAYOUT = 1;
/** Layout, then latitude, longitude, accuracy and time as doubles: of one length, which tells nothing. */
const BYTES = 1 + 4 * 8;

/** Throws: VIG_INVARIANT if a coordinate is out of range; schemas reject those first. */
export function positionBytes(position: Position): Buffer {
  assert(isPoint(position), "coordinates are in range");
  const bytes = Buffer.alloc(BYTES);
  bytes.writeUInt8(LAYOUT, 0);
  bytes.writeDoubleBE(position.lat, 1);
  bytes.writeDoubleBE(position.lon, 9);
  bytes.writeDoubleBE(position.accuracyM ?? Number.NaN, 17);
  bytes.writeDoubleBE(position.capturedAtMs, 25);
  return bytes;
}

/** Throws: VIG_CIPHERTEXT_INVALID for what `positionBytes` did not make. */
export function positionOf(bytes: Buffer): Position {
  if (bytes.length !== BYTES || bytes.readUInt8(0) !== LAYOUT) {
    throw new VigError("VIG_CIPHERTEXT_INVALID", { why: "it holds no position" });
  }
  const accuracyM = bytes.readDoubleBE(17);
  return {
    lat: bytes.readDoubleBE(1),
    lon: bytes.readDoubleBE(9),
    accuracyM: Number.isNaN(accuracyM) ? null : accuracyM,
    capturedAtMs: bytes.readDoubleBE(25),
  };
}
