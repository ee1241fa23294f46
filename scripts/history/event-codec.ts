import { assert } from "@vigie/core/assert";
import { Reader, Writer } from "@vigie/core/bytes";
import type { RawEvent } from "@vigie/detector/enrich/event";
import type { Precision } from "@vigie/detector/state/precision";
import { unknownAddress } from "@vigie/geoip/geoip";
import {
  type Fingerprint,
  type KnownAddress,
  type KnownAgent,
  list,
  type Part,
  type RawDevice,
  slotOf,
} from "./event-parts.ts";
import type { HistoryEvent } from "./minimise.ts";

/**
 * Events as bytes: user, topic and kind by number, times as differences, the event's id, then of all else only what
 * differs from the user's last event of that topic. A number that is new is followed by what it stands for.
 * Most events take some 30 bytes, and are read without a text being made but for the id.
 */

/** Of a table of shared values; when it is full, it starts over, on both sides. */
const TABLE_MAX = 32_768;
/** Texts by number: 0 and the text for one that is new. A table that is full starts over, on both sides. */
class NumberedTexts {
  private readonly numbers = new Map<string, number>();

  write(writer: Writer, text: string): void {
    const known = this.numbers.get(text);
    writer.varint(known ?? 0);
    if (known !== undefined) return;
    writer.text(text);
    if (this.numbers.size === TABLE_MAX) this.numbers.clear();
    this.numbers.set(text, this.numbers.size + 1);
  }
}

class NumberedValues {
  private readonly parse: (text: string) => unknown;
  private values: unknown[] = [];

  constructor(parse: (text: string) => unknown) {
    this.parse = parse;
  }

  read(reader: Reader): unknown {
    const number = reader.varint();
    if (number > 0) return this.values[number - 1];
    const value = this.parse(reader.text());
    if (this.values.length === TABLE_MAX) this.values = [];
    this.values.push(value);
    return value;
  }
}

/** Whose events a file holds, by number; a person comes often enough to be kept to the file's end. */
interface WrittenUser {
  readonly number: number;
  /** Of each topic, by its code. */
  readonly last: Map<string, readonly string[]>;
}

/** No part is this text, so a user's first event has all of them. */
const NO_PARTS: readonly string[] = list.map(() => "\u0000");
const KIND = "\n";

export class EventEncoder {
  private readonly writer = new Writer(1_048_576);
  private readonly users = new Map<string, WrittenUser>();
  private readonly kinds = new NumberedTexts();
  private readonly tables = list.map(() => new NumberedTexts());
  private lastMs = 0;

  /** Bytes since the last `take`. */
  get size(): number {
    return this.writer.at;
  }

  take(): Buffer {
    return this.writer.finish();
  }

  /** In the order of their partition; a broker's clock may be set back in between. */
  add(event: HistoryEvent): void {
    const { writer } = this;
    const { topic, timestampMs, value } = event;
    const user = this.user(value.user_id);
    const before = user.last.get(topic) ?? NO_PARTS;
    const now = list.map((part) => part.text(event));
    user.last.set(topic, now);
    this.kinds.write(writer, topic + KIND + (value.kind ?? ""));
    writer.signed(timestampMs - this.lastMs);
    this.lastMs = timestampMs;
    writer.signed(value.occurred_at - timestampMs);
    writeUuid(writer, value.event_id);
    let mask = 0;
    for (let i = 0; i < list.length; i++) if (now[i] !== before[i]) mask |= 1 << i;
    writer.varint(mask);
    for (let i = 0; i < list.length; i++) {
      if ((mask & (1 << i)) === 0) continue;
      const text = now[i] as string;
      if ((list[i] as Part).of === "value") (this.tables[i] as NumberedTexts).write(writer, text);
      else writeId(writer, text);
    }
  }

  private user(userId: string): WrittenUser {
    const known = this.users.get(userId);
    if (known !== undefined) {
      this.writer.varint(known.number);
      return known;
    }
    const user: WrittenUser = { number: this.users.size + 1, last: new Map() };
    this.users.set(userId, user);
    this.writer.varint(0);
    writeUuid(this.writer, userId);
    return user;
  }
}

function writeUuid(writer: Writer, uuid: string): void {
  const bytes = Buffer.from(uuid.replaceAll("-", ""), "hex");
  assert(bytes.length === 16, "a pseudonym is a UUID");
  writer.copy(bytes, 0, 16);
}

function writeId(writer: Writer, text: string): void {
  writer.varint(text === "" ? 0 : 1);
  if (text !== "") writeUuid(writer, text);
}

/** The last event of a user and topic: its parts by their slots, then what is put together from them. */
type LastEvent = unknown[];
const NETWORK = list.length;
const DEVICE = NETWORK + 1;
/** Those of a topic, by the numbers of their users. */
type LastEvents = (LastEvent | undefined)[];
/** The first event of a topic has all parts. */
const nothingYet: LastEvent = new Array<unknown>(DEVICE + 1).fill(undefined);

interface ReadUser<U> {
  readonly id: string;
  /** In the order of their first events. */
  readonly number: number;
  readonly own: U;
}

interface Kind {
  readonly topic: string;
  readonly kind: string | undefined;
  /** Of all kinds of the topic. */
  readonly last: LastEvents;
}

/** An event as it was written, and what the reader keeps for its user. */
export interface ReadEvent<U> extends HistoryEvent {
  readonly own: U;
}

const maskOf = (slots: readonly number[]): number =>
  slots.reduce((mask, slot) => mask | (1 << slot), 0);
const networkMask = maskOf([slotOf.address, slotOf.agent]);
const deviceMask = maskOf([slotOf.deviceId, slotOf.fingerprint]);
const idMask = maskOf([...list.keys()].filter((slot) => (list[slot] as Part).of === "id"));

/** Reads the events of one file; `ownOf` is asked once for each of its users. */
export class EventDecoder<U> {
  private readonly tenantId: string;
  private readonly ownOf: (userId: string) => U;
  private readonly users: ReadUser<U>[] = [];
  private readonly lastOf = new Map<string, LastEvents>();
  private readonly kinds = new NumberedValues((text): Kind => {
    const [topic = "", kind = ""] = text.split(KIND);
    const last = this.lastOf.get(topic) ?? [];
    this.lastOf.set(topic, last);
    return { topic, kind: kind === "" ? undefined : kind, last };
  });
  private readonly tables = list.map(({ parse }) => new NumberedValues(parse));
  private reader = new Reader(Buffer.alloc(0), 0, 0);
  private lastMs = 0;

  constructor(tenantId: string, ownOf: (userId: string) => U) {
    this.tenantId = tenantId;
    this.ownOf = ownOf;
  }

  /** Takes the next block; the one before has been read to its end. */
  open(block: Buffer): void {
    this.reader = new Reader(block, 0, block.length);
  }

  /** Null: the block is at its end. */
  next(): ReadEvent<U> | null {
    const { reader } = this;
    if (reader.at >= reader.end) return null;
    const user = this.user(reader);
    const { topic, kind, last } = this.kinds.read(reader) as Kind;
    this.lastMs += reader.signed();
    const occurredAtMs = this.lastMs + reader.signed();
    const eventId = readUuid(reader);
    const parts = this.changed(reader, user.number, last);
    // One shape for all events, which everything that looks at them is quicker with: what is missing is undefined.
    const value = {
      event_id: eventId,
      tenant_id: this.tenantId,
      user_id: user.id,
      occurred_at: occurredAtMs,
      kind,
      session_id: parts[slotOf.session],
      channel: parts[slotOf.channel],
      roles: parts[slotOf.roles],
      network: parts[NETWORK],
      device: parts[DEVICE],
      location: parts[slotOf.location],
      sim: parts[slotOf.sim],
      geohash: parts[slotOf.geohash],
    } as RawEvent;
    const known = parts[slotOf.address] as KnownAddress | null;
    const agent = parts[slotOf.agent] as KnownAgent | null;
    return {
      topic,
      timestampMs: this.lastMs,
      value,
      address: known === null ? unknownAddress : known.address,
      userAgent: agent === null ? null : agent.userAgent,
      precision: parts[slotOf.precision] as Precision | undefined,
      own: user.own,
    };
  }

  private user(reader: Reader): ReadUser<U> {
    const number = reader.varint();
    if (number > 0) return this.users[number - 1] as ReadUser<U>;
    const id = readUuid(reader);
    const user: ReadUser<U> = { id, number: this.users.length, own: this.ownOf(id) };
    this.users.push(user);
    return user;
  }

  private changed(reader: Reader, userNumber: number, last: LastEvents): LastEvent {
    while (last.length <= userNumber) last.push(undefined);
    const parts = last[userNumber] ?? nothingYet.slice();
    last[userNumber] = parts;
    const mask = reader.varint();
    for (let left = mask; left !== 0; left &= left - 1) {
      const slot = 31 - Math.clz32(left & -left);
      const isId = (idMask & (1 << slot)) !== 0;
      parts[slot] = isId ? readId(reader) : (this.tables[slot] as NumberedValues).read(reader);
    }
    if (mask & networkMask) parts[NETWORK] = networkOf(parts);
    if (mask & deviceMask) parts[DEVICE] = deviceOf(parts);
    return parts;
  }
}

function networkOf(parts: LastEvent): RawEvent["network"] {
  const known = parts[slotOf.address] as KnownAddress | null;
  const agent = parts[slotOf.agent] as KnownAgent | null;
  if (known === null && agent === null) return null;
  return { ip: known?.ip ?? null, user_agent: agent?.header ?? null };
}

function deviceOf(parts: LastEvent): RawDevice | null | undefined {
  const fingerprint = parts[slotOf.fingerprint] as { readonly of: Fingerprint } | null | undefined;
  const device_id = parts[slotOf.deviceId] as string | null;
  return fingerprint && { device_id, fingerprint: fingerprint.of };
}

const readId = (reader: Reader): string | null => (reader.varint() === 0 ? null : readUuid(reader));

const HEX = Buffer.from("0123456789abcdef");
const DASH = 0x2d;
/** Where the digits of each byte stand in a UUID's text. */
const places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
const uuid = Buffer.alloc(36, DASH);

/** Put together as bytes: a text that is joined from pieces is flattened anew wherever it is looked at. */
function readUuid(reader: Reader): string {
  const { bytes } = reader;
  const from = reader.skip(16);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[from + i] as number;
    const place = places[i] as number;
    uuid[place] = HEX[byte >> 4] as number;
    uuid[place + 1] = HEX[byte & 15] as number;
  }
  return uuid.toString("latin1");
}
