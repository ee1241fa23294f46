import type { Point } from "@vigie/core/geo";
import { geohashAt, geohashCell, geohashLengths } from "@vigie/core/geohash";

/** Finds where somebody was, however it is written down. */
export interface Traces {
  /** Names of the traces in these bytes; empty: there is none. */
  in(bytes: Uint8Array | string): readonly string[];
}

/** Decimals of a coordinate in text that are as good as the whole: 1e-3 degrees are 110 m. */
const DECIMALS = 3;
/** Doubles this near to a coordinate are it, or it rounded. */
const NEAR_DEGREES = 1e-4;
const DOUBLE_BYTES = 8;
const FLOAT_BYTES = 4;
/** A float has 24 bits: at 16 to 32 degrees it is within half of this. */
const FLOAT_NEAR_DEGREES = 2e-6;
/** A cell's centre is a short binary fraction: it is found to the bit. */
const EXACT_DEGREES = 1e-12;

/** PostgreSQL's text form of bytes. */
const HEX = /\\x((?:[0-9a-f]{2})+)/g;

/** The position itself: as text, as doubles and floats of either order. */
export function positionTraces(point: Point): Traces {
  return {
    in: (given) =>
      everyForm(given).flatMap((bytes) => [
        ...textsIn(bytes, { lat: decimal(point.lat), lon: decimal(point.lon) }),
        ...numbersIn(bytes, point, NEAR_DEGREES, "position"),
      ]),
  };
}

/** The position, its cells of every level, and other texts that tell of it. */
export function placeTraces(point: Point, names: readonly string[] = []): Traces {
  const exact = positionTraces(point);
  const texts = Object.fromEntries([
    ...names.map((name) => [name, name]),
    // Of three characters there are too many that mean something else.
    ["geohash", geohashAt(point, 4)],
  ]);
  const centres = Object.values(geohashLengths).map(
    (length) => geohashCell(geohashAt(point, length)).centre,
  );
  return {
    in: (given) => [
      ...exact.in(given),
      ...everyForm(given).flatMap((bytes) => [
        ...textsIn(bytes, texts),
        ...centres.flatMap((centre) => numbersIn(bytes, centre, EXACT_DEGREES, "cell")),
      ]),
    ],
  };
}

/** What an id, or any other text, is found by. */
export const textTraces = (texts: readonly string[]): Traces => ({
  in: (given) =>
    everyForm(given).flatMap((bytes) =>
      textsIn(bytes, Object.fromEntries(texts.map((text) => [text, text]))),
    ),
});

function decimal(degrees: number): string {
  const text = Math.abs(degrees).toString();
  return text.slice(0, text.indexOf(".") + 1 + DECIMALS);
}

/** The bytes, and those that they spell in hexadecimal. */
function everyForm(given: Uint8Array | string): readonly Buffer[] {
  const bytes = Buffer.from(given as string);
  const spelt = bytes.toString("latin1").matchAll(HEX);
  return [bytes, ...Array.from(spelt, ([, hex = ""]) => Buffer.from(hex, "hex"))];
}

function textsIn(bytes: Buffer, texts: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(texts).flatMap(([name, text]) => (bytes.includes(text) ? [name] : []));
}

function numbersIn(
  bytes: Buffer,
  { lat, lon }: Point,
  nearDegrees: number,
  name: string,
): readonly string[] {
  const isNear = (value: number, near: number): boolean =>
    Math.abs(value - lat) < near || Math.abs(value - lon) < near;
  for (let at = 0; at + FLOAT_BYTES <= bytes.length; at++) {
    const floats = [bytes.readFloatBE(at), bytes.readFloatLE(at)];
    if (nearDegrees > EXACT_DEGREES && floats.some((value) => isNear(value, FLOAT_NEAR_DEGREES))) {
      return [`${name} as a float`];
    }
    if (at + DOUBLE_BYTES > bytes.length) continue;
    const doubles = [bytes.readDoubleBE(at), bytes.readDoubleLE(at)];
    if (doubles.some((value) => isNear(value, nearDegrees))) return [`${name} as a double`];
  }
  return [];
}
