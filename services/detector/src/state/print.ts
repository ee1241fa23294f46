import { hashText, Reader, Writer } from "@vigie/core/bytes";
import type { TextMap } from "@vigie/schemas/codec-core";
import type { Signals } from "#enrich/signals";

/**
 * The signals of a fingerprint as bytes: count, then per signal its name (a code, or 0 and the text) and its value,
 * in a fixed order. Kept as bytes, so that an unchanged device is compared and copied without being decoded.
 */
export interface Print {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
}

/** Codes of stored states: append only. */
const names = [
  "",
  "os",
  "os_version",
  "browser",
  "browser_version",
  "device_model",
  "screen",
  "timezone",
  "languages",
  "gpu_vendor",
  "gpu_renderer",
  "app_version",
  "platform",
] as const;
const codes = new Map<string, number>(names.map((name, code) => [name, code]));

const OS = names.indexOf("os");
const BROWSER = names.indexOf("browser");

/** Twice what the contract names. */
export const SIGNALS_MAX = 24;
const NAME_BYTES_MAX = 32;
/** Longer values are kept as a hash: only whether they are equal counts. Versions and models are shorter. */
export const VALUE_BYTES_MAX = 48;
/** A fingerprint that takes more is kept as its known names alone, with all but the shortest values as hashes. */
const PRINT_BYTES_MAX = 512;
const TIGHT_VALUE_BYTES_MAX = 16;

/** Of a device that told nothing. */
export const noPrint: Print = { bytes: Buffer.from([0]), from: 0, to: 1 };

const scratch = new Writer();

export const isEmptyPrint = ({ from, to }: Print): boolean => to - from <= 1;

export function printOf(signals: Signals): Print {
  const kept = keptNames(signals);
  const print = printOfNames(signals, kept, VALUE_BYTES_MAX);
  if (print.to <= PRINT_BYTES_MAX) return print;
  const known = kept.filter((name) => codes.has(name));
  return printOfNames(signals, known, TIGHT_VALUE_BYTES_MAX);
}

function printOfNames(signals: Signals, kept: readonly string[], bytesMax: number): Print {
  scratch.room(1);
  scratch.u8(kept.length);
  for (const name of kept) {
    const code = codes.get(name) ?? 0;
    scratch.room(1);
    scratch.u8(code);
    if (code === 0) scratch.text(name);
    scratch.text(keptValue(signals[name] as string, bytesMax));
  }
  const bytes = scratch.finish();
  return { bytes, from: 0, to: bytes.length };
}

const keptValue = (value: string, bytesMax: number): string =>
  isWithin(value, bytesMax) ? value : hashed(value);

const hashed = (value: string): string => `#${hashText(value)}`;
const HASHED = /^#[0-9a-f]{16}$/;

/**
 * `signals` as they compare with `other`: what only that one has as a hash is a hash here too. Which values are hashes
 * goes by the length of the whole fingerprint, and by the version that kept it.
 */
export const comparedWith = (signals: Signals, other: Signals): Signals =>
  Object.fromEntries(
    Object.entries(signals).map(([name, value]) => [
      name,
      HASHED.test(other[name] ?? "") && !HASHED.test(value) ? hashed(value) : value,
    ]),
  );

/** Whether its UTF-8 takes so many bytes at most; a character takes three at most. */
const isWithin = (text: string, bytesMax: number): boolean =>
  text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax;

/** Known names by code, then the others by alphabet. */
function keptNames(signals: Signals): string[] {
  const known: string[] = [];
  const others: string[] = [];
  for (const name of names) if (name !== "" && Object.hasOwn(signals, name)) known.push(name);
  for (const name of Object.keys(signals)) {
    if (name !== "" && isWithin(name, NAME_BYTES_MAX) && !codes.has(name)) others.push(name);
  }
  return [...known, ...others.sort()].slice(0, SIGNALS_MAX);
}

/** Signals as they are kept: bounded, long values as hashes. */
export const signalsOf = ({ bytes, from, to }: Print): Signals => {
  const reader = new Reader(bytes, from, to);
  const signals: Record<string, string> = {};
  const count = reader.u8();
  for (let i = 0; i < count; i++) {
    const code = reader.u8();
    const name = code === 0 ? reader.text() : (names[code] as string);
    signals[name] = reader.text();
  }
  return signals;
};

/** Whether `signals` would be kept as these very bytes. */
export function isPrintOf(print: Print, signals: Signals): boolean {
  const quick = compareKnown(print, signals);
  if (quick !== undefined) return quick;
  const other = printOf(signals);
  return print.bytes.compare(other.bytes, other.from, other.to, print.from, print.to) === 0;
}

/** Compares without encoding as long as all is plain: known names, short ASCII values. Else undefined. */
function compareKnown({ bytes, from }: Print, signals: Signals): boolean | undefined {
  const count = bytes[from] as number;
  let at = from + 1;
  for (let i = 0; i < count; i++) {
    const name = names[bytes[at] as number] as string;
    const length = bytes[at + 1] as number;
    if (name === "" || length > VALUE_BYTES_MAX) return undefined;
    const value = signals[name];
    if (value === undefined) return false;
    at += 2;
    if (value.length !== length) return undefined;
    for (let k = 0; k < length; k++) {
      if (value.charCodeAt(k) !== bytes[at + k]) return undefined;
    }
    at += length;
  }
  let given = 0;
  for (const _name in signals) given++;
  return given === count ? true : undefined;
}

/** Where the values of a print begin, by code; 0: it has none. One for all calls: this runs for every event. */
const valueAts = new Int32Array(names.length);
/** Codes by length and first letter of the name, which no two of them share. */
const codeByShape = new Uint8Array(1_024);
const nameBytes = names.map((name) => Buffer.from(name));
const shapeOf = (length: number, first: number): number => ((length & 31) << 5) | (first & 31);
nameBytes.forEach((name, code) => {
  if (code > 0) codeByShape[shapeOf(name.length, name[0] as number)] = code;
});

/**
 * Whether the map, as it came, has exactly the signals of the print. False also when it is not plain enough to tell
 * (unknown names, long values, more than one block), or lacks what would be filled in from the user agent.
 * Source of its layout: Avro specification, maps; a number below 64 is one byte, doubled.
 */
export function isPrintOfMap(print: Print, { bytes, from, to }: TextMap): boolean {
  const count = print.bytes[print.from] as number;
  if (bytes[from] !== count * 2 || !findValues(print)) return false;
  let at = from + 1;
  for (let i = 0; i < count; i++) {
    const doubled = bytes[at++] as number;
    const code = codeByShape[shapeOf(doubled >> 1, bytes[at] as number)] as number;
    const name = nameBytes[code] as Buffer;
    const valueAt = valueAts[code] as number;
    // A name that comes twice finds its value gone.
    if (valueAt === 0 || doubled !== name.length * 2) return false;
    valueAts[code] = 0;
    if (!isEqual(bytes, at, name, 0, name.length)) return false;
    at += name.length;
    const length = print.bytes[valueAt] as number;
    if (bytes[at++] !== length * 2) return false;
    if (!isEqual(bytes, at, print.bytes, valueAt + 1, length)) return false;
    at += length;
  }
  return bytes[at] === 0 && at + 1 === to;
}

/** Whether the print has only known names, short values, and both system and browser. */
function findValues({ bytes, from }: Print): boolean {
  valueAts.fill(0);
  let at = from + 1;
  for (let left = bytes[from] as number; left > 0; left--) {
    const code = bytes[at] as number;
    const length = bytes[at + 1] as number;
    if (code === 0 || length >= 64) return false;
    valueAts[code] = at + 1;
    at += 2 + length;
  }
  return valueAts[OS] !== 0 && valueAts[BROWSER] !== 0;
}

function isEqual(a: Buffer, aAt: number, b: Buffer, bAt: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

export function writePrint(writer: Writer, { bytes, from, to }: Print): void {
  writer.varint(to - from);
  writer.copy(bytes, from, to);
}

export function readPrint(reader: Reader): Print {
  const from = reader.skip(reader.varint());
  return { bytes: reader.bytes, from, to: reader.at };
}
