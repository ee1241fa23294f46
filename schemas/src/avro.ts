import avro from "avsc";
import type { AvroSchema } from "./contracts.ts";
import { FieldTexts } from "./text-cache.ts";

/** A decoder's or encoder's view of the bytes, as avsc passes it to every type. */
interface Tap {
  readonly buf: Buffer;
  pos: number;
  readLong(): number;
  skipLong(): void;
  writeLong(n: number): void;
  skipString(): void;
}

/** avsc's own methods of a type, which its typings leave out. */
interface Readable {
  _read(tap: Tap): unknown;
  _skip(tap: Tap): void;
}

const Text = avro.types.StringType as unknown as new () => avro.Type & {
  _read(tap: Tap): string;
  _write(tap: Tap, value: unknown): void;
};

/**
 * Items that the value being decoded may still claim. Every item of a block that is worth reading takes a byte,
 * so a value never holds more items than bytes; avsc alone believes any count and loops or allocates by it.
 */
let itemsLeft = 0;

function takeItems(tap: Tap, count: number): number {
  let items = count;
  if (items < 0) {
    items = -items;
    tap.skipLong();
  }
  itemsLeft -= items;
  if (!(itemsLeft >= 0) || !(tap.pos <= tap.buf.length)) {
    throw new RangeError("a block claims more items than there are bytes");
  }
  return items;
}

class GuardedArray extends avro.types.ArrayType {
  declare readonly itemsType: avro.Type & Readable;

  _read(tap: Tap): unknown[] {
    let items: unknown[] = [];
    for (let count = tap.readLong(); count !== 0; count = tap.readLong()) {
      // Of its length, as nearly every array has one block: with a push it takes room for 17 items.
      const block = new Array<unknown>(takeItems(tap, count));
      for (let i = 0; i < block.length; i++) block[i] = this.itemsType._read(tap);
      if (items.length === 0) items = block;
      else for (const item of block) items.push(item);
    }
    return items;
  }

  _skip(tap: Tap): void {
    for (let count = tap.readLong(); count !== 0; count = tap.readLong()) {
      for (let left = takeItems(tap, count); left > 0; left--) this.itemsType._skip(tap);
    }
  }
}

class GuardedMap extends avro.types.MapType {
  declare readonly valuesType: avro.Type & Readable;

  _read(tap: Tap): Record<string, unknown> {
    const entries: Record<string, unknown> = {};
    for (let count = tap.readLong(); count !== 0; count = tap.readLong()) {
      for (let left = takeItems(tap, count); left > 0; left--) {
        const key = text._read(tap);
        const value = this.valuesType._read(tap);
        // An own property even under this name; assigned, it would set the prototype.
        if (key === "__proto__") define(entries, key, value);
        else entries[key] = value;
      }
    }
    return entries;
  }

  _skip(tap: Tap): void {
    for (let count = tap.readLong(); count !== 0; count = tap.readLong()) {
      for (let left = takeItems(tap, count); left > 0; left--) {
        tap.skipString();
        this.valuesType._skip(tap);
      }
    }
  }
}

/** A map of texts where it lies in the bytes of a record: most are only compared with one that is known. */
export class TextMap {
  static readonly empty = new TextMap(Buffer.from([0]), 0, 1);

  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  static of(texts: Readonly<Record<string, string>>): TextMap {
    const bytes = textMapType.toBuffer(texts);
    return new TextMap(bytes, 0, bytes.length);
  }

  get isEmpty(): boolean {
    return this.bytes[this.from] === 0;
  }

  toObject(): Readonly<Record<string, string>> {
    const own = this.bytes.subarray(this.from, this.to);
    return readTextMap(own, 0) as Readonly<Record<string, string>>;
  }
}

/** Steps over a map of texts, once it is sure that it can be read. */
class UnreadMap extends avro.types.MapType {
  _read(tap: Tap): TextMap {
    const from = tap.pos;
    let items = 0;
    for (let count = tap.readLong(); count !== 0; count = tap.readLong()) {
      const taken = takeItems(tap, count);
      for (let left = taken * 2; left > 0; left--) skipText(tap);
      items += taken;
    }
    return items === 0 ? TextMap.empty : new TextMap(tap.buf, from, tap.pos);
  }
}

function skipText(tap: Tap): void {
  const length = tap.readLong();
  if (!(length >= 0 && tap.pos + length <= tap.buf.length)) {
    throw new RangeError("a text runs past the end");
  }
  tap.pos += length;
}

/** A type of its own for each field: avsc freezes types, and calls what it takes from them on other objects. */
function cachedText(): InstanceType<typeof Text> {
  const texts = new FieldTexts();
  class CachedText extends Text {
    override _read(tap: Tap): string {
      const length = tap.readLong();
      const from = tap.pos;
      const end = from + length;
      if (!(length >= 0 && end <= tap.buf.length)) throw new RangeError("a text runs past the end");
      tap.pos = end;
      return texts.of(tap.buf, from, length);
    }

    override _write(tap: Tap, value: unknown): void {
      if (!writeShortAscii(tap, value)) super._write(tap, value);
    }
  }
  return new CachedText();
}

/** Source: Avro specification: below this a length takes one byte. */
const SHORT_LENGTH = 64;

/** Nearly every text of a record: avsc would ask for its bytes first. Returns: whether it was one, and is written. */
function writeShortAscii(tap: Tap, value: unknown): boolean {
  const { buf, pos } = tap;
  if (typeof value !== "string") return false;
  const { length } = value;
  if (length >= SHORT_LENGTH || pos + length >= buf.length) return false;
  for (let i = 0; i < length; i++) {
    const unit = value.charCodeAt(i);
    if (unit >= 0x80) return false;
    buf[pos + 1 + i] = unit;
  }
  buf[pos] = length << 1;
  tap.pos = pos + 1 + length;
  return true;
}

/** Zigzag doubles a number, so beyond this avsc's floats round it. */
const DOUBLED_EXACTLY_MAX = 2 ** 52;
const LOW_BITS = 28;
const LOW_HALF = 2 ** (LOW_BITS - 1);
/** Source: Avro specification: a long takes ten bytes at most. */
const HIGH_BYTES_MAX = 6;

/** All safe integers exactly; a number beyond them is a fault of the record. */
class SafeLong extends avro.types.LongType {
  _read(tap: Tap): number {
    const { buf } = tap;
    let low = 0;
    let shift = 0;
    let byte = 0x80;
    while (byte >= 0x80 && shift < LOW_BITS) {
      byte = buf[tap.pos++] ?? 0;
      low |= (byte & 0x7f) << shift;
      shift += 7;
    }
    let high = 0;
    for (let i = 0, unit = 1; byte >= 0x80; i++, unit *= 128) {
      if (i === HIGH_BYTES_MAX) throw new RangeError("a number has more than ten bytes");
      byte = buf[tap.pos++] ?? 0;
      high += (byte & 0x7f) * unit;
    }
    const half = high * LOW_HALF + (low >>> 1);
    const value = low & 1 ? -half - 1 : half;
    if (!Number.isSafeInteger(value)) throw new RangeError("a number beyond 2^53");
    return value;
  }

  _write(tap: Tap, value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`);
    if (Math.abs(value) < DOUBLED_EXACTLY_MAX) tap.writeLong(value);
    else writeLarge(tap, value);
  }
}

function writeLarge(tap: Tap, value: number): void {
  const half = value < 0 ? -value - 1 : value;
  let low = (half % LOW_HALF) * 2 + (value < 0 ? 1 : 0);
  for (let shift = 0; shift < LOW_BITS; shift += 7, low >>>= 7) tap.buf[tap.pos++] = low | 0x80;
  let high = Math.floor(half / LOW_HALF);
  for (; high >= 0x80; high = Math.floor(high / 128)) tap.buf[tap.pos++] = (high % 128) | 0x80;
  tap.buf[tap.pos++] = high;
}

const text = cachedText();

const define = (target: object, key: string, value: unknown) =>
  Object.defineProperty(target, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });

type ForSchema = Parameters<typeof avro.Type.forSchema>;

function guard(schema: ForSchema[0], options: unknown): avro.Type | undefined {
  const type = typeof schema === "string" ? schema : (schema as { type?: unknown }).type;
  if (type === "string") return cachedText();
  if (type === "long") return new SafeLong();
  if (type === "array") return new GuardedArray(schema, options);
  if (type === "map") return new GuardedMap(schema, options);
  return undefined;
}

function guardUnread(schema: ForSchema[0], options: unknown): avro.Type | undefined {
  const { type, values } = schema as { type?: unknown; values?: unknown };
  if (type === "map" && values === "string") return new UnreadMap(schema, options);
  return guard(schema, options);
}

/** How avsc is asked for types, wherever that happens: bounded, with plain objects and plain numbers. */
export const avroOptions = { typeHook: guard, omitRecordMethods: true };

/**
 * Shape: with `unreadMaps` maps of texts are read as TextMap.
 * Throws: Error when `schema` is no Avro schema.
 */
export function compile(schema: AvroSchema, { unreadMaps = false } = {}): avro.Type {
  const typeHook = unreadMaps ? guardUnread : guard;
  const options = { ...avroOptions, typeHook, registry: {} };
  const type = avro.Type.forSchema(schema as ForSchema[0], options);
  makePlain(type, new Set());
  return type;
}

/** Records become ordinary objects: equal to literals, whatever compares them. */
function makePlain(type: avro.Type, seen: Set<avro.Type>): void {
  if (seen.has(type)) return;
  seen.add(type);
  const parts = type as avro.Type & {
    readonly recordConstructor?: { prototype: object };
    readonly fields?: readonly { readonly type: avro.Type }[];
    readonly types?: readonly avro.Type[];
    readonly itemsType?: avro.Type;
    readonly valuesType?: avro.Type;
  };
  if (parts.recordConstructor !== undefined) parts.recordConstructor.prototype = Object.prototype;
  for (const field of parts.fields ?? []) makePlain(field.type, seen);
  for (const branch of parts.types ?? []) makePlain(branch, seen);
  if (parts.itemsType !== undefined) makePlain(parts.itemsType, seen);
  if (parts.valuesType !== undefined) makePlain(parts.valuesType, seen);
}

/** Reads what `writer` wrote as `reader` wants it. Throws: RangeError or Error on bytes that do not fit. */
export type Read = (bytes: Buffer, from: number) => unknown;

/** One cached resolver: building one per record costs a hundred times the read. Throws: Error when they do not fit. */
export function readerOf(reader: avro.Type, writer: avro.Type): Read {
  const resolver = reader.createResolver(writer);
  return (bytes, from) => {
    itemsLeft = bytes.length;
    const { value, offset } = reader.decode(bytes, from, resolver);
    if (offset < 0) throw new RangeError("the value ends early");
    if (offset !== bytes.length) throw new RangeError(`${bytes.length - offset} bytes too many`);
    return value;
  };
}

const textMapType = compile({ type: "map", values: "string" });
const readTextMap = readerOf(textMapType, textMapType);
