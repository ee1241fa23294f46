import { Reader, Writer } from "@vigie/core/bytes";
import { Place, samePlace } from "@vigie/geoip/place";
import { coarsePlace } from "#enrich/coarse-place";
import { type Id, readId, type StoredId, sameId, skipId, writeId } from "./id.ts";
import type { Precision } from "./precision.ts";

/** A user was at a place at a time. */
export interface Fix {
  readonly atMs: number;
  readonly place: Place;
  readonly eventId: Id;
  readonly sessionId: Id | null;
  /** The autonomous system of the mobile network that the event came through; 0: none, or unknown. */
  readonly carrier: number;
}

/** Enough for the neighbours in time of an event that is hours late, since a stay is thinned. */
export const FIXES_MAX = 8;
/** Of a stay at one place, fixes in between are kept this far apart: a heartbeat every 30 s would fill the trail. */
export const STAY_STEP_MS = 600_000;

/** What an entry leaves out, because the next newer one has the same. */
const SAME_PLACE = 1;
const SAME_SESSION = 2;
const NO_SESSION = 4;
/** A carrier follows. */
const CARRIER = 8;
const SAME_CARRIER = 16;

/** Long ids and names must not make a state large: then fewer fixes are kept. Eight common ones take 300 bytes. */
export const TRAIL_BYTES_MAX = 1_280;
const scratch = new Writer(TRAIL_BYTES_MAX);

/**
 * The last fixes of a user by event time: count, time of the newest in 48 bits, then from the newest to the oldest
 * flags, place, session, carrier and event id, and how much older the next one is. So a new fix is put before the bytes that
 * are there, and only the formerly newest entry is looked at.
 */
export class Trail {
  static readonly none: Trail = new Trail(null, Buffer.from([0]), 0, 1);

  /** A fix newer than all that is in the bytes, not yet put there. */
  private readonly head: Fix | null;
  private readonly bytes: Buffer;
  private readonly from: number;
  private readonly to: number;

  private constructor(head: Fix | null, bytes: Buffer, from: number, to: number) {
    this.head = head;
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  static read(reader: Reader): Trail {
    const from = reader.at;
    reader.skip(reader.end - from);
    return new Trail(null, reader.bytes, from, reader.end);
  }

  get isEmpty(): boolean {
    return this.head === null && this.bytes[this.from] === 0;
  }

  get newestMs(): number {
    return this.head === null ? this.newestStoredMs : this.head.atMs;
  }

  get newest(): Fix {
    return this.head ?? readEntry(this.readerAt(ENTRIES_AT), this.newestMs, null);
  }

  /** Whether the newest fix is at this place. */
  isAt(place: Place): boolean {
    if (this.head !== null) return samePlace(this.head.place, place);
    return place.passes(this.readerAt(ENTRIES_AT + 1));
  }

  /** All fixes, oldest first. */
  fixes(): Fix[] {
    return readAll(this.settled().readerAt(0));
  }

  /** The same with no place finer than a geohash of so many characters. */
  coarsened(precision: Precision): Trail {
    const coarse = this.fixes().map((fix) => ({
      ...fix,
      place: coarsePlace(fix.place, precision),
    }));
    return Trail.of(coarse);
  }

  /** With a fix that is not older than the newest. */
  prepend(fix: Fix): Trail {
    const { bytes, from, to } = this.settled();
    return new Trail(fix, bytes, from, to);
  }

  /** The same fixes, all of them in bytes. */
  private settled(): Trail {
    if (this.head === null) return this;
    this.write(scratch);
    const bytes = scratch.finish();
    return new Trail(null, bytes, 0, bytes.length);
  }

  /** Of fixes in the order of their times; the slow way, for late events. */
  static of(fixes: readonly Fix[]): Trail {
    writeAll(scratch, kept(fixes));
    const bytes = scratch.finish();
    return new Trail(null, bytes, 0, bytes.length);
  }

  write(writer: Writer): void {
    if (this.head === null) writer.copy(this.bytes, this.from, this.to);
    else if (this.bytes[this.from] === 0) writeAll(writer, [this.head]);
    else this.writeHead(writer, this.head);
  }

  /** The head, then what was the newest with other flags, then the bytes that follow it as they are. */
  private writeHead(writer: Writer, head: Fix): void {
    const { bytes } = this;
    const start = writer.at;
    const count = bytes[this.from] as number;
    const next = nextEntry(this.readerAt(ENTRIES_AT), this.newestStoredMs, head);
    const second = count > 1 && next.isSamePlace ? entryAfter(this.readerAt(0), next) : null;
    const isStay = second?.isSamePlace === true && head.atMs - second.atMs < STAY_STEP_MS;
    const base = isStay ? second : next;
    const total = count + (isStay ? 0 : 1);
    writer.room(1);
    writer.u8(Math.min(total, FIXES_MAX));
    writer.u48(head.atMs);
    writeEntry(writer, head, null);
    writer.varint(head.atMs - base.atMs);
    const { session, carrier } = base;
    const isSameSession =
      session !== null && head.sessionId !== null && sameId(session, head.sessionId);
    const carrierFlag = carrierFlagOf(carrier, head.carrier);
    writer.room(1);
    writer.u8(flagsOf(base.isSamePlace, session === null, isSameSession) | carrierFlag);
    if (!base.isSamePlace) writer.copy(bytes, base.placeAt, base.placeEnd);
    if (session !== null && !isSameSession) session.write(writer);
    if (carrierFlag === CARRIER) writer.u32(carrier);
    writer.copy(bytes, base.idAt, total > FIXES_MAX ? this.endWithoutOldest() : this.to);
    if (writer.at - start <= TRAIL_BYTES_MAX) return;
    writer.at = start;
    writeAll(writer, kept([...readAll(this.readerAt(0)), head]));
  }

  private endWithoutOldest(): number {
    const reader = this.readerAt(0);
    const count = reader.u8();
    reader.skip(6);
    for (let i = 0; i < count - 1; i++) {
      if (i > 0) reader.varint();
      skipEntry(reader);
    }
    return reader.at;
  }

  private get newestStoredMs(): number {
    return this.readerAt(1).u48();
  }

  private readerAt(offset: number): Reader {
    return new Reader(this.bytes, this.from + offset, this.to);
  }
}

/** After the count and the time of the newest. */
const ENTRIES_AT = 7;

/** Thins the end of a stay and lets the oldest go. */
function kept(fixes: readonly Fix[]): Fix[] {
  const all = fixes.slice();
  const last = all.length - 1;
  const [a, b, c] = [all[last - 2], all[last - 1], all[last]];
  // The newest is always kept, so an event in time is compared with the very last fix.
  if (a !== undefined && b !== undefined && c !== undefined) {
    const isStay = samePlace(a.place, b.place) && samePlace(b.place, c.place);
    if (isStay && c.atMs - a.atMs < STAY_STEP_MS) all.splice(last - 1, 1);
  }
  if (all.length > FIXES_MAX) all.shift();
  return all;
}

/** An entry in its bytes, seen from a fix that comes to stand before it. */
interface Entry {
  readonly atMs: number;
  readonly isSamePlace: boolean;
  readonly placeAt: number;
  readonly placeEnd: number;
  readonly session: StoredId | null;
  readonly carrier: number;
  readonly idAt: number;
}

/** The newest entry: its place and session are always there. */
function nextEntry(reader: Reader, atMs: number, head: Fix): Entry {
  const flags = reader.u8();
  const placeAt = reader.at;
  const isSamePlace = head.place.passes(reader);
  if (!isSamePlace) Place.skip(reader);
  const placeEnd = reader.at;
  const session = (flags & NO_SESSION) === 0 ? readId(reader) : null;
  const carrier = readCarrier(reader, flags, 0);
  return { atMs, isSamePlace, placeAt, placeEnd, session, carrier, idAt: reader.at };
}

/** The entry after the newest. */
function entryAfter(reader: Reader, newest: Entry): Entry {
  reader.at = newest.idAt;
  skipId(reader);
  const atMs = newest.atMs - reader.varint();
  const flags = reader.u8();
  const isSamePlace = (flags & SAME_PLACE) !== 0;
  const placeAt = reader.at;
  if (!isSamePlace) Place.skip(reader);
  const placeEnd = reader.at;
  let session: StoredId | null = null;
  if ((flags & SAME_SESSION) !== 0) session = newest.session;
  else if ((flags & NO_SESSION) === 0) session = readId(reader);
  const carrier = readCarrier(reader, flags, newest.carrier);
  return { atMs, isSamePlace, placeAt, placeEnd, session, carrier, idAt: reader.at };
}

function readCarrier(reader: Reader, flags: number, newer: number): number {
  if ((flags & CARRIER) !== 0) return reader.u32();
  return (flags & SAME_CARRIER) === 0 ? 0 : newer;
}

const carrierFlagOf = (carrier: number, newer: number): number =>
  carrier === 0 ? 0 : carrier === newer ? SAME_CARRIER : CARRIER;

const flagsOf = (samePlaces: boolean, noSession: boolean, sameSession: boolean): number =>
  (samePlaces ? SAME_PLACE : 0) | (noSession ? NO_SESSION : sameSession ? SAME_SESSION : 0);

function writeEntry(writer: Writer, fix: Fix, newer: Fix | null): void {
  const { place, sessionId } = fix;
  const isSamePlace = newer !== null && samePlace(newer.place, place);
  const known = newer === null ? null : newer.sessionId;
  const isSameSession = known !== null && sessionId !== null && sameId(known, sessionId);
  const carrierFlag = carrierFlagOf(fix.carrier, newer === null ? 0 : newer.carrier);
  writer.room(1);
  writer.u8(flagsOf(isSamePlace, sessionId === null, isSameSession) | carrierFlag);
  if (!isSamePlace) writer.copy(place.bytes, 0, place.bytes.length);
  if (sessionId !== null && !isSameSession) writeId(writer, sessionId);
  if (carrierFlag === CARRIER) writer.u32(fix.carrier);
  writeId(writer, fix.eventId);
}

/** The oldest go until what is left is within the bound; the newest two stay, whatever they take. */
function writeAll(writer: Writer, fixes: readonly Fix[]): void {
  const start = writer.at;
  for (let first = 0; ; first++) {
    writeThese(writer, fixes.slice(first));
    if (writer.at - start <= TRAIL_BYTES_MAX || fixes.length - first <= 2) return;
    writer.at = start;
  }
}

function writeThese(writer: Writer, fixes: readonly Fix[]): void {
  writer.room(1);
  writer.u8(fixes.length);
  let newer: Fix | null = null;
  for (const fix of fixes.toReversed()) {
    if (newer === null) writer.u48(fix.atMs);
    else writer.varint(newer.atMs - fix.atMs);
    writeEntry(writer, fix, newer);
    newer = fix;
  }
}

function readAll(reader: Reader): Fix[] {
  const fixes: Fix[] = [];
  const count = reader.u8();
  let atMs = count === 0 ? 0 : reader.u48();
  let newer: Fix | null = null;
  for (let i = 0; i < count; i++) {
    if (i > 0) atMs -= reader.varint();
    newer = readEntry(reader, atMs, newer);
    fixes.push(newer);
  }
  return fixes.reverse();
}

function readEntry(reader: Reader, atMs: number, newer: Fix | null): Fix {
  const flags = reader.u8();
  const place = newer !== null && (flags & SAME_PLACE) !== 0 ? newer.place : Place.read(reader);
  let sessionId: Id | null = null;
  if ((flags & SAME_SESSION) !== 0) sessionId = newer === null ? null : newer.sessionId;
  else if ((flags & NO_SESSION) === 0) sessionId = readId(reader);
  const carrier = readCarrier(reader, flags, newer === null ? 0 : newer.carrier);
  return { atMs, place, eventId: readId(reader), sessionId, carrier };
}

function skipEntry(reader: Reader): void {
  const flags = reader.u8();
  if ((flags & SAME_PLACE) === 0) Place.skip(reader);
  if ((flags & (SAME_SESSION | NO_SESSION)) === 0) skipId(reader);
  if ((flags & CARRIER) !== 0) reader.skip(4);
  skipId(reader);
}
