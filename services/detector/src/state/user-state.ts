import { assert } from "@vigie/core/assert";
import { Reader, Writer } from "@vigie/core/bytes";
import type { StateCodec } from "@vigie/stream/codec";
import { ENVELOPE_HEADER_BYTES } from "@vigie/stream/state/envelope";
import type { Precision } from "./precision.ts";
import { SeenIds } from "./seen.ts";

/**
 * All that the detector knows of one user, as bytes: room for the runtime's own; seen ids; then per part its number,
 * 16 bits of length, its bytes. It is kept as bytes between events, since a cache of many small objects costs more to
 * collect than to take apart again.
 */
export interface UserState {
  readonly bytes: Buffer;
}

/** How a part of the state lies in its bytes. */
export interface PartCodec<S> {
  /** The state of a user never seen. */
  readonly initial: S;
  write(writer: Writer, state: S): void;
  /** The reader ends where this part ends. */
  read(reader: Reader): S;
  /** Of a part that holds places: the same with none finer than a geohash of so many characters. */
  coarsened?(state: S, precision: Precision): S;
}

/** A part and its number: unique, never reused. */
export interface Part<S> {
  readonly part: number;
  readonly codec: PartCodec<S>;
}

// biome-ignore lint/suspicious/noExplicitAny: each part is its owner's own
export type AnyPart = Part<any>;

/** Version 1 had no precision. Who knows that one only must not read on, and keep places finer than a user lets it. */
const VERSION = 2;

/** What is stored beyond this is too much: the parts written last are left out. Source: DESIGN, numbers to hold. */
export const STATE_BYTES_MAX = 8_192;

export interface StateFormat extends StateCodec<UserState> {
  /** The state taken apart; null: of a user never seen. Good until the next one is opened. */
  open(state: UserState | null): OpenState;
}

const ABSENT = -1;
const nothing = Buffer.alloc(0);

/**
 * A state taken apart while one event is processed. A part is read when it is first asked for; what was not changed
 * is copied as it lies. One object for all events: they are processed one after the other.
 */
export class OpenState {
  /** The ids of the user's newest events; to be replaced as a whole. */
  seen: SeenIds = SeenIds.none;
  private readonly parts: readonly AnyPart[];
  /** By part number. */
  private readonly slotOf: readonly number[];
  private readonly values: unknown[];
  private readonly changed: boolean[];
  private readonly froms: number[];
  private readonly ends: number[];
  private readonly writer = new Writer();
  private bytes: Buffer = nothing;
  private opened: SeenIds = SeenIds.none;
  private partsChanged = false;

  constructor(parts: readonly AnyPart[], slotOf: readonly number[]) {
    this.parts = parts;
    this.slotOf = slotOf;
    this.values = new Array<unknown>(parts.length).fill(undefined);
    this.changed = new Array<boolean>(parts.length).fill(false);
    this.froms = new Array<number>(parts.length).fill(ABSENT);
    this.ends = new Array<number>(parts.length).fill(0);
    // Equal states are equal bytes before the runtime has written there, too.
    this.writer.bytes.fill(0, 0, ENVELOPE_HEADER_BYTES);
  }

  /** Takes another state. Parts of numbers that are no longer known are dropped. */
  load(bytes: Buffer | null): void {
    for (let slot = 0; slot < this.parts.length; slot++) {
      this.values[slot] = undefined;
      this.changed[slot] = false;
      this.froms[slot] = ABSENT;
    }
    this.partsChanged = false;
    this.bytes = bytes ?? nothing;
    if (bytes === null) {
      this.opened = this.seen = SeenIds.none;
      return;
    }
    const reader = new Reader(bytes, ENVELOPE_HEADER_BYTES, bytes.length);
    this.opened = this.seen = SeenIds.read(reader);
    let { at } = reader;
    while (at < bytes.length) {
      const slot = this.slotOf[bytes[at] as number] as number;
      const end = at + 3 + (((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number));
      assert(end <= bytes.length, "a state's bytes are whole");
      if (slot >= 0) {
        this.froms[slot] = at + 3;
        this.ends[slot] = end;
      }
      at = end;
    }
  }

  /** Whether something was put since it was loaded. */
  get isChanged(): boolean {
    return this.partsChanged || this.seen !== this.opened;
  }

  /** Whether nothing is known of the user. */
  get isBlank(): boolean {
    return this.seen.size === 0 && this.parts.every((_, slot) => !this.has(slot));
  }

  /** Whether the state holds anything of this part. */
  has(slot: number): boolean {
    return this.changed[slot] === true || this.froms[slot] !== ABSENT;
  }

  get<S>(slot: number): S {
    const known = this.values[slot];
    if (known !== undefined) return known as S;
    const { codec } = this.parts[slot] as Part<S>;
    const from = this.froms[slot] as number;
    const value =
      from === ABSENT
        ? codec.initial
        : codec.read(new Reader(this.bytes, from, this.ends[slot] as number));
    this.values[slot] = value;
    return value;
  }

  put<S>(slot: number, value: S): void {
    this.values[slot] = value;
    this.changed[slot] = true;
    this.partsChanged = true;
  }

  /** As if there never was anything of this part. */
  drop(slot: number): void {
    this.values[slot] = undefined;
    this.changed[slot] = false;
    this.froms[slot] = ABSENT;
    this.partsChanged = true;
  }

  seal(): UserState {
    const { writer, parts } = this;
    writer.at = ENVELOPE_HEADER_BYTES;
    this.seen.write(writer);
    for (let slot = 0; slot < parts.length; slot++) {
      const from = this.froms[slot] as number;
      const start = writer.at;
      if (this.changed[slot] === true) this.writeChanged(slot);
      else if (from !== ABSENT) writer.copy(this.bytes, from - 3, this.ends[slot] as number);
      if (writer.at > STATE_BYTES_MAX) writer.at = start;
    }
    return { bytes: writer.finish() };
  }

  private writeChanged(slot: number): void {
    const { writer } = this;
    const { part, codec } = this.parts[slot] as AnyPart;
    writer.room(3);
    writer.u8(part);
    const lengthAt = writer.at;
    writer.at += 2;
    codec.write(writer, this.values[slot]);
    writer.u16At(lengthAt, writer.at - lengthAt - 2);
  }
}

/** The format of states with these parts, in the order in which they are written. */
export function stateFormat(parts: readonly AnyPart[]): StateFormat {
  const slotOf = new Array<number>(256).fill(ABSENT);
  parts.forEach(({ part }, slot) => {
    assert(slotOf[part] === ABSENT, "parts have different numbers");
    slotOf[part] = slot;
  });
  const open = new OpenState(parts, slotOf);
  return {
    version: VERSION,
    room: ENVELOPE_HEADER_BYTES,
    encode: ({ bytes }) => bytes,
    decode(bytes, version) {
      assert(version >= 1 && version <= VERSION, "a state's version is known");
      return { bytes: asBuffer(bytes) };
    },
    open(state) {
      open.load(state === null ? null : state.bytes);
      return open;
    },
  };
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
