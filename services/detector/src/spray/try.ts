import { hash64, Reader, Writer } from "@vigie/core/bytes";
import { messageOf } from "@vigie/core/errors";
import { dlq, ok } from "@vigie/core/outcome";
import type { Channel } from "@vigie/schemas/types";
import type { Decoder, Encoder } from "@vigie/stream/codec";
import { idText } from "#rules/rule";
import { type Id, keptId, readId, writeId } from "#state/id";

/** Whom a login let in: what is needed to tell of it, and which policy it falls under. */
export interface LetIn {
  readonly userId: string;
  readonly sessionId: string | null;
  readonly channel: Channel;
  readonly roles: readonly string[];
}

/** A login from an address, as the address's own task is told of it: as little of a person as it can do with. */
export interface Try {
  /** Whom it was for: `userHash`. */
  readonly user: number;
  /** `markOf` the address. */
  readonly mark: number;
  /** Event time. */
  readonly atMs: number;
  readonly eventId: Id;
  /** Null: the login failed. */
  readonly letIn: LetIn | null;
}

const WORD = 2 ** 32;
/** What a number holds exactly of the upper half. */
const HIGH_BITS = 0x1f_ffff;

/** 53 bits of a hash of a user's key. */
export function userHash(key: string): number {
  const [high, low] = hash64(key);
  return (high & HIGH_BITS) * WORD + low;
}

/** Nothing is read but by this processor, so its records have a layout of ours: this byte, then the fields. */
const LAYOUT = 2;
const FAILED = 0;
const LET_IN = 1;
const writer = new Writer(512);

export const tryEncoder: Encoder<Try> = {
  encode({ user, mark, atMs, eventId, letIn }) {
    writer.at = 0;
    writer.room(18);
    writer.u8(LAYOUT);
    writer.u8(letIn === null ? FAILED : LET_IN);
    writeHash(writer, user);
    writer.u16(mark);
    writer.u48(atMs);
    // Shortened where it is long, so that the state of an address stays small.
    writeId(writer, keptId(idText(eventId)));
    if (letIn !== null) writeLetIn(writer, letIn);
    return writer.finish();
  },
};

function writeLetIn(into: Writer, { userId, sessionId, channel, roles }: LetIn): void {
  into.text(userId);
  into.text(sessionId ?? "");
  into.text(channel);
  into.varint(roles.length);
  for (const role of roles) into.text(role);
}

export const tryDecoder: Decoder<Try> = {
  decode(value) {
    const bytes = Buffer.from(value);
    try {
      const reader = new Reader(bytes, 0, bytes.length);
      const layout = reader.u8();
      if (layout !== LAYOUT) return undecodable(`layout ${layout}`);
      const kind = reader.u8();
      const user = readHash(reader);
      const mark = reader.u16();
      const atMs = reader.u48();
      const eventId = readId(reader);
      return ok({ user, mark, atMs, eventId, letIn: kind === LET_IN ? readLetIn(reader) : null });
    } catch (cause) {
      return undecodable(messageOf(cause));
    }
  },
};

const undecodable = (why: string) => dlq("VIG_RECORD_UNDECODABLE", { schemaId: 0, why });

function readLetIn(from: Reader): LetIn {
  const userId = from.text();
  const sessionId = from.text();
  const channel = from.text() as Channel;
  const roles = Array.from({ length: from.varint() }, () => from.text());
  return { userId, sessionId: sessionId === "" ? null : sessionId, channel, roles };
}

/** A user's hash as 8 bytes. */
export function writeHash(into: Writer, hash: number): void {
  into.u32(Math.floor(hash / WORD));
  into.u32(hash % WORD);
}

export const readHash = (from: Reader): number => (from.u32() & HIGH_BITS) * WORD + from.u32();
