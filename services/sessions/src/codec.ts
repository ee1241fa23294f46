import { assert } from "@vigie/core/assert";
import type { Channel, UserType } from "@vigie/schemas/types";
import type { StateCodec } from "@vigie/stream/codec";
import { ByteReader, ByteWriter } from "./bytes.ts";
import {
  ENDED_PER_USER_MAX,
  LIVE_PER_USER_MAX,
  type Session,
  TOMBSTONES_PER_USER_MAX,
  type UserState,
} from "./state.ts";

/** Symbols are stored by their place in these lists: append, never reorder. */
const channels: readonly Channel[] = ["UNKNOWN", "MOBILE", "WEB", "USSD", "API"];
const userTypes: readonly UserType[] = ["UNKNOWN", "EXTERNAL", "INTERNAL"];

const START_KNOWN = 1;
const ADOPTED = 2;
const PENDING = 4;

/** Layout 1. A user with one session and no history takes some 250 bytes, most of it user agent and address hash. */
const VERSION = 1;

export function createStateCodec(): StateCodec<UserState> {
  const writer = new ByteWriter();
  return {
    version: VERSION,
    encode(state) {
      writeState(writer, state);
      return writer.take();
    },
    decode(bytes, version) {
      assert(version === VERSION, `layout ${version} of a session state is known`);
      const reader = new ByteReader(bytes);
      const state = readState(reader);
      assert(reader.atEnd(), "a stored state ends where it should");
      return state;
    },
  };
}

function writeState(out: ByteWriter, state: UserState): void {
  out.list(state.live, (session) => writeSession(out, session));
  out.list(state.ended, (ended) => {
    out.text(ended.id);
    out.whole(ended.version);
    out.whole(ended.forgetAtMs);
  });
  out.list(state.tombstones, (tombstone) => {
    out.text(tombstone.id);
    out.whole(tombstone.atMs);
    out.whole(tombstone.recordedAtMs);
    out.whole(tombstone.forgetAtMs);
  });
  out.whole(state.notBeforeMs);
  out.list(state.recentEvents, (hash) => out.long(hash));
  out.wholeOrNull(state.wakeAtMs);
}

function readState(from: ByteReader): UserState {
  const state = {
    live: from.list(() => readSession(from)),
    ended: from.list(() => ({
      id: from.text(),
      version: from.whole(),
      forgetAtMs: from.whole(),
    })),
    tombstones: from.list(() => ({
      id: from.text(),
      atMs: from.whole(),
      recordedAtMs: from.whole(),
      forgetAtMs: from.whole(),
    })),
    notBeforeMs: from.whole(),
    recentEvents: from.list(() => from.long()),
    wakeAtMs: from.wholeOrNull(),
  };
  assert(state.live.length <= LIVE_PER_USER_MAX, "stored sessions are within their limit");
  assert(state.ended.length <= ENDED_PER_USER_MAX, "stored ended ids are within their limit");
  assert(state.tombstones.length <= TOMBSTONES_PER_USER_MAX, "tombstones are within their limit");
  return state;
}

function writeSession(out: ByteWriter, session: Session): void {
  out.text(session.id);
  out.whole(session.version);
  out.whole(session.createdAtMs);
  out.whole(session.lastSeenMs);
  out.wholeOrNull(session.absoluteCapMs);
  out.whole(session.policyVersion);
  out.byte(
    (session.startKnown ? START_KNOWN : 0) |
      (session.adopted ? ADOPTED : 0) |
      (session.pending ? PENDING : 0),
  );
  out.byte(userTypes.indexOf(session.userType));
  out.byte(channels.indexOf(session.channel));
  out.list(session.roles, (role) => out.text(role));
  for (const value of textsOf(session)) out.textOrNull(value);
}

const textsOf = (session: Session): readonly (string | null)[] => [
  session.orgId,
  session.deviceId,
  session.userAgent,
  session.loginMethod,
  session.ipPrefix,
  session.ipHash,
  session.ipHashKeyId,
  session.country,
  session.city,
  session.upstreamSessionRef,
];

function readSession(from: ByteReader): Session {
  const head = {
    id: from.text(),
    version: from.whole(),
    createdAtMs: from.whole(),
    lastSeenMs: from.whole(),
    absoluteCapMs: from.wholeOrNull(),
    policyVersion: from.whole(),
  };
  const flags = from.byte();
  return {
    ...head,
    startKnown: (flags & START_KNOWN) !== 0,
    adopted: (flags & ADOPTED) !== 0,
    pending: (flags & PENDING) !== 0,
    userType: userTypes[from.byte()] ?? "UNKNOWN",
    channel: channels[from.byte()] ?? "UNKNOWN",
    roles: from.list(() => from.text()),
    // In the order of textsOf.
    orgId: from.textOrNull(),
    deviceId: from.textOrNull(),
    userAgent: from.textOrNull(),
    loginMethod: from.textOrNull(),
    ipPrefix: from.textOrNull(),
    ipHash: from.textOrNull(),
    ipHashKeyId: from.textOrNull(),
    country: from.textOrNull(),
    city: from.textOrNull(),
    upstreamSessionRef: from.textOrNull(),
  };
}
