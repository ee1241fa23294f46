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
  names,
  type Part,
  type PartName,
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

/** What a reader keeps of a user: the parts of the last event of a topic, put together. */
interface LastEvent {
  session: string | null;
  deviceId: string | null;
  known: KnownAddress | null;
  agent: KnownAgent | null;
  network: RawEvent["network"];
  fingerprint: { readonly of: Fingerprint } | null | undefined;
  device: RawDevice | null | undefined;
  precision: Precision | undefined;
  /** Fields of the event that are as they lie. */
  rest: Pick<RawEvent, "channel" | "roles" | "location" | "geohash" | "sim">;
}

interface ReadUser<U> {
  readonly id: string;
  /** By the topic's number. */
  readonly last: (LastEvent | undefined)[];
  readonly own: U;
}

interface Kind {
  readonly topic: string;
  /** In the order of their first events. */
  readonly topicNumber: number;
  readonly kind: string | undefined;
}

/** An event as it was written, and what the reader keeps for its user. */
export interface ReadEvent<U> extends HistoryEvent {
  readonly own: U;
}

const restNames = ["channel", "roles", "location", "geohash", "sim"] as const;
/** The session is the first part. */
const sessionMask = 1 << slotOf.session;
const networkMask = (1 << slotOf.address) | (1 << slotOf.agent);
const deviceMask = (1 << slotOf.deviceId) | (1 << slotOf.fingerprint);
const restMask = restNames.reduce((mask, name) => mask | (1 << slotOf[name]), 0);

/** Reads the events of one file; `ownOf` is asked once for each of its users. */
export class EventDecoder<U> {
  private readonly tenantId: string;
  private readonly ownOf: (userId: string) => U;
  private readonly users: ReadUser<U>[] = [];
  private readonly topics: string[] = [];
  private readonly kinds = new NumberedValues((text): Kind => {
    const [topic = "", kind = ""] = text.split(KIND);
    if (!this.topics.includes(topic)) this.topics.push(topic);
    const topicNumber = this.topics.indexOf(topic);
    return { topic, topicNumber, kind: kind === "" ? undefined : kind };
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
    const { topic, topicNumber, kind } = this.kinds.read(reader) as Kind;
    this.lastMs += reader.signed();
    const occurredAtMs = this.lastMs + reader.signed();
    const eventId = readUuid(reader);
    const last = this.changed(reader, user, topicNumber);
    const { rest, known, agent } = last;
    // One shape for all events, which everything that looks at them is quicker with: what is missing is undefined.
    const value = {
      event_id: eventId,
      tenant_id: this.tenantId,
      user_id: user.id,
      occurred_at: occurredAtMs,
      kind,
      session_id: last.session,
      channel: rest.channel,
      roles: rest.roles,
      network: last.network,
      device: last.device,
      location: rest.location,
      sim: rest.sim,
      geohash: rest.geohash,
    } as RawEvent;
    return {
      topic,
      timestampMs: this.lastMs,
      value,
      address: known === null ? unknownAddress : known.address,
      userAgent: agent === null ? null : agent.userAgent,
      ...(last.precision !== undefined && { precision: last.precision }),
      own: user.own,
    };
  }

  private user(reader: Reader): ReadUser<U> {
    const number = reader.varint();
    if (number > 0) return this.users[number - 1] as ReadUser<U>;
    const id = readUuid(reader);
    const user: ReadUser<U> = { id, last: [], own: this.ownOf(id) };
    this.users.push(user);
    return user;
  }

  private changed(reader: Reader, user: ReadUser<U>, topicNumber: number): LastEvent {
    let last = user.last[topicNumber];
    if (last === undefined) {
      last = nothingYet();
      while (user.last.length < topicNumber) user.last.push(undefined);
      user.last[topicNumber] = last;
    }
    const mask = reader.varint();
    // Most events that differ at all are logins, which begin a session.
    if (mask & sessionMask) last.session = readId(reader);
    if ((mask & ~sessionMask) === 0) return last;
    if (mask & restMask) last.rest = { ...last.rest };
    for (let i = 1; i < list.length; i++) {
      if ((mask & (1 << i)) === 0) continue;
      const value =
        (list[i] as Part).of === "value"
          ? (this.tables[i] as NumberedValues).read(reader)
          : readId(reader);
      put(last, names[i] as PartName, value);
    }
    if (mask & networkMask) {
      const { known, agent } = last;
      last.network =
        known === null && agent === null
          ? null
          : { ip: known?.ip ?? null, user_agent: agent?.header ?? null };
    }
    if (mask & deviceMask) {
      const { fingerprint, deviceId } = last;
      last.device = fingerprint && { device_id: deviceId, fingerprint: fingerprint.of };
    }
    return last;
  }
}

const nothingYet = (): LastEvent => ({
  session: null,
  deviceId: null,
  known: null,
  agent: null,
  network: null,
  fingerprint: undefined,
  device: undefined,
  precision: undefined,
  rest: { channel: "UNKNOWN", location: null },
});

function put(last: LastEvent, name: PartName, value: unknown): void {
  if (name === "deviceId") last.deviceId = value as string | null;
  else if (name === "address") last.known = value as KnownAddress | null;
  else if (name === "agent") last.agent = value as KnownAgent | null;
  else if (name === "precision") last.precision = value as Precision | undefined;
  else if (name === "fingerprint") last.fingerprint = value as LastEvent["fingerprint"];
  else (last.rest as Record<string, unknown>)[name] = value;
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
