import { assert } from "@vigie/core/assert";
import type { ActorType, Channel, UserType } from "@vigie/schemas/types";
import type { StateCodec } from "@vigie/stream/codec";
import { ByteReader, ByteWriter } from "./bytes.ts";
import {
  BARRIERS_PER_USER_MAX,
  type Barrier,
  type BarrierScope,
  COMMANDS_PER_USER_MAX,
  ENDED_PER_USER_MAX,
  type EndedSession,
  LIVE_PER_USER_MAX,
  type Revocation,
  type Session,
  SUSPICIONS_PER_USER_MAX,
  type Suspicion,
  TOMBSTONES_PER_USER_MAX,
  type Tombstone,
  type UserState,
} from "./state.ts";

/** Symbols are stored by their place in these lists: append, never reorder. */
const channels: readonly Channel[] = ["UNKNOWN", "MOBILE", "WEB", "USSD", "API"];
const userTypes: readonly UserType[] = ["UNKNOWN", "EXTERNAL", "INTERNAL"];
const actorTypes: readonly ActorType[] = ["UNKNOWN", "USER", "ADMIN", "SYSTEM", "POLICY"];
const scopes: readonly BarrierScope[] = ["user", "device", "channel"];

const START_KNOWN = 1;
const ADOPTED = 2;
const PENDING = 4;

/** Layout 2. A user with one session and no history takes some 250 bytes, most of it user agent and address hash. */
const VERSION = 2;
/** Layout 1 knew no commands, barriers, risks and revocations. It is read, and written again as the newest. */
const OLDEST_VERSION = 1;

export function createStateCodec(): StateCodec<UserState> {
  const writer = new ByteWriter();
  return {
    version: VERSION,
    encode(state) {
      writeState(writer, state);
      return writer.finish();
    },
    decode(bytes, version) {
      const known = version >= OLDEST_VERSION && version <= VERSION;
      assert(known, `layout ${version} of a session state is known`);
      const reader = new ByteReader(bytes);
      const state = readState(reader, version);
      assert(reader.atEnd(), "a stored state ends where it should");
      return state;
    },
  };
}

function writeState(out: ByteWriter, state: UserState): void {
  out.list(state.live, (session) => writeSession(out, session));
  out.list(state.ended, (ended) => writeEnded(out, ended));
  out.list(state.tombstones, (tombstone) => writeTombstone(out, tombstone));
  out.varint(state.notBeforeMs);
  out.list(state.recentEvents, (hash) => out.long(hash));
  out.varintOrNull(state.wakeAtMs);
  out.list(state.barriers, (barrier) => writeBarrier(out, barrier));
  out.list(state.commands, ({ id, atMs }) => {
    out.text(id);
    out.varint(atMs);
  });
  out.varint(state.excessToldAtMs);
  out.list(state.suspicions, (suspicion) => writeSuspicion(out, suspicion));
}

function readState(from: ByteReader, version: number): UserState {
  const head = {
    live: from.list(() => readSession(from, version)),
    ended: from.list(() => readEnded(from, version)),
    tombstones: from.list(() => readTombstone(from, version)),
    notBeforeMs: from.varint(),
    recentEvents: from.list(() => from.long()),
    wakeAtMs: from.varintOrNull(),
  };
  const state = { ...head, ...(version === 1 ? nothingRevoked : readTail(from)) };
  assert(state.live.length <= LIVE_PER_USER_MAX, "stored sessions are within their limit");
  assert(state.ended.length <= ENDED_PER_USER_MAX, "stored ended ids are within their limit");
  assert(state.tombstones.length <= TOMBSTONES_PER_USER_MAX, "tombstones are within their limit");
  assert(state.barriers.length <= BARRIERS_PER_USER_MAX, "stored barriers are within their limit");
  assert(state.commands.length <= COMMANDS_PER_USER_MAX, "stored commands are within their limit");
  assert(state.suspicions.length <= SUSPICIONS_PER_USER_MAX, "suspicions are within their limit");
  return state;
}

type Tail = Pick<UserState, "barriers" | "commands" | "excessToldAtMs" | "suspicions">;
const nothingRevoked: Tail = { barriers: [], commands: [], excessToldAtMs: 0, suspicions: [] };

const readTail = (from: ByteReader): Tail => ({
  barriers: from.list(() => readBarrier(from)),
  commands: from.list(() => ({ id: from.text(), atMs: from.varint() })),
  excessToldAtMs: from.varint(),
  suspicions: from.list(() => readSuspicion(from)),
});

function writeEnded(out: ByteWriter, ended: EndedSession): void {
  out.text(ended.id);
  out.varint(ended.version);
  out.varint(ended.forgetAtMs);
  out.u8(ended.isCleared ? 1 : 0);
  out.u8(channels.indexOf(ended.channel));
  out.longOrNull(ended.deviceHash);
  out.varintOrNull(ended.revokedAtMs);
  out.varintOrNull(ended.misuseToldAtMs);
}

function readEnded(from: ByteReader, version: number): EndedSession {
  const head = { id: from.text(), version: from.varint(), forgetAtMs: from.varint() };
  if (version === 1) return { ...head, ...endedByItself };
  return {
    ...head,
    isCleared: from.u8() === 1,
    channel: channels[from.u8()] ?? "UNKNOWN",
    deviceHash: from.longOrNull(),
    revokedAtMs: from.varintOrNull(),
    misuseToldAtMs: from.varintOrNull(),
  };
}

const endedByItself = {
  isCleared: false,
  channel: "UNKNOWN",
  deviceHash: null,
  revokedAtMs: null,
  misuseToldAtMs: null,
} as const;

function writeTombstone(out: ByteWriter, tombstone: Tombstone): void {
  out.text(tombstone.id);
  out.varint(tombstone.atMs);
  out.varint(tombstone.recordedAtMs);
  out.varint(tombstone.forgetAtMs);
  out.u8(tombstone.revocation === null ? 0 : 1);
  if (tombstone.revocation !== null) writeRevocation(out, tombstone.revocation);
}

const readTombstone = (from: ByteReader, version: number): Tombstone => ({
  id: from.text(),
  atMs: from.varint(),
  recordedAtMs: from.varint(),
  forgetAtMs: from.varint(),
  revocation: version === 1 || from.u8() === 0 ? null : readRevocation(from),
});

function writeBarrier(out: ByteWriter, barrier: Barrier): void {
  out.u8(scopes.indexOf(barrier.scope));
  out.text(barrier.value);
  out.varint(barrier.atMs);
  out.textOrNull(barrier.sparedId);
  out.varint(barrier.sparedAtMs);
  out.varint(barrier.recordedAtMs);
  writeRevocation(out, barrier.revocation);
}

const readBarrier = (from: ByteReader): Barrier => ({
  scope: scopes[from.u8()] ?? "user",
  value: from.text(),
  atMs: from.varint(),
  sparedId: from.textOrNull(),
  sparedAtMs: from.varint(),
  recordedAtMs: from.varint(),
  revocation: readRevocation(from),
});

function writeSuspicion(out: ByteWriter, suspicion: Suspicion): void {
  out.long(suspicion.causeHash);
  out.textOrNull(suspicion.sessionId);
  out.u8(suspicion.riskScore);
  out.varintOrNull(suspicion.stepUpAtMs);
  out.varint(suspicion.recordedAtMs);
}

const readSuspicion = (from: ByteReader): Suspicion => ({
  causeHash: from.long(),
  sessionId: from.textOrNull(),
  riskScore: from.u8(),
  stepUpAtMs: from.varintOrNull(),
  recordedAtMs: from.varint(),
});

function writeRevocation(out: ByteWriter, { actor, ...revocation }: Revocation): void {
  out.text(revocation.reason);
  out.u8(actorTypes.indexOf(actor.type));
  out.text(actor.id);
  out.textOrNull(actor.impersonator_id);
  out.textOrNull(revocation.commandId);
  out.textOrNull(revocation.anomalyId);
  out.textOrNull(revocation.epochId);
}

const readRevocation = (from: ByteReader): Revocation => ({
  reason: from.text(),
  actor: {
    type: actorTypes[from.u8()] ?? "UNKNOWN",
    id: from.text(),
    impersonator_id: from.textOrNull(),
  },
  commandId: from.textOrNull(),
  anomalyId: from.textOrNull(),
  epochId: from.textOrNull(),
});

function writeSession(out: ByteWriter, session: Session): void {
  out.text(session.id);
  out.varint(session.version);
  out.varint(session.createdAtMs);
  out.varint(session.lastSeenMs);
  out.varintOrNull(session.absoluteCapMs);
  out.varint(session.policyVersion);
  out.u8(
    (session.startKnown ? START_KNOWN : 0) |
      (session.adopted ? ADOPTED : 0) |
      (session.pending ? PENDING : 0),
  );
  out.u8(userTypes.indexOf(session.userType));
  out.u8(channels.indexOf(session.channel));
  out.list(session.roles, (role) => out.text(role));
  for (const value of textsOf(session)) out.textOrNull(value);
  out.varint(session.vouchedUntilMs);
  out.varintOrNull(session.stepUpRequiredAtMs);
  out.u8(session.riskScore);
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

function readSession(from: ByteReader, version: number): Session {
  const head = {
    id: from.text(),
    version: from.varint(),
    createdAtMs: from.varint(),
    lastSeenMs: from.varint(),
    absoluteCapMs: from.varintOrNull(),
    policyVersion: from.varint(),
  };
  const flags = from.u8();
  return {
    ...head,
    startKnown: (flags & START_KNOWN) !== 0,
    adopted: (flags & ADOPTED) !== 0,
    pending: (flags & PENDING) !== 0,
    userType: userTypes[from.u8()] ?? "UNKNOWN",
    channel: channels[from.u8()] ?? "UNKNOWN",
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
    ...(version === 1 ? unsuspected : readRisk(from)),
  };
}

const unsuspected = { vouchedUntilMs: 0, stepUpRequiredAtMs: null, riskScore: 0 } as const;

type Risk = Pick<Session, "vouchedUntilMs" | "stepUpRequiredAtMs" | "riskScore">;

const readRisk = (from: ByteReader): Risk => ({
  vouchedUntilMs: from.varint(),
  stepUpRequiredAtMs: from.varintOrNull(),
  riskScore: from.u8(),
});
