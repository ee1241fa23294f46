import assert from "node:assert/strict";
import type { Channel } from "@vigie/schemas/types";
import fc from "fast-check";
import { test } from "vitest";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { createStateCodec } from "./codec.ts";
import {
  type Barrier,
  type EndedSession,
  emptyState,
  type Revocation,
  type Session,
  type Suspicion,
  type UserState,
} from "./state.ts";
import { noContext, T0 } from "./testing.ts";

const codec = createStateCodec();
const back = (state: UserState): UserState => codec.decode(codec.encode(state), codec.version);

const time = fc.integer({ min: 0, max: 2 ** 45 });
const id = fc.string({ minLength: 1, maxLength: 128, unit: "binary" });
const word = fc.option(fc.string({ maxLength: 64 }));

const plain = { noNullPrototype: true } as const;

const session: fc.Arbitrary<Session> = fc.record(
  {
    id,
    version: time,
    createdAtMs: time,
    startKnown: fc.boolean(),
    adopted: fc.boolean(),
    lastSeenMs: time,
    absoluteCapMs: fc.option(fc.integer({ min: 0, max: 2 ** 52 })),
    policyVersion: fc.maxSafeNat(),
    vouchedUntilMs: time,
    stepUpRequiredAtMs: fc.option(time),
    riskScore: fc.integer({ min: 0, max: 100 }),
    pending: fc.boolean(),
    userType: fc.constantFrom("UNKNOWN", "EXTERNAL", "INTERNAL"),
    orgId: word,
    roles: fc.array(fc.string({ maxLength: 64 }), { maxLength: 32 }),
    channel: fc.constantFrom("UNKNOWN", "MOBILE", "WEB", "USSD", "API"),
    deviceId: word,
    userAgent: word,
    loginMethod: word,
    ipPrefix: word,
    ipHash: word,
    ipHashKeyId: word,
    country: word,
    city: word,
    upstreamSessionRef: word,
  },
  plain,
);

const hash = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const channel = fc.constantFrom<Channel>("UNKNOWN", "MOBILE", "WEB", "USSD", "API");

const ended: fc.Arbitrary<EndedSession> = fc.record(
  {
    id,
    version: time,
    forgetAtMs: time,
    isCleared: fc.boolean(),
    channel,
    deviceHash: fc.option(hash),
    revokedAtMs: fc.option(time),
    misuseToldAtMs: fc.option(time),
  },
  plain,
);

const revocation: fc.Arbitrary<Revocation> = fc.record(
  {
    reason: fc.string({ maxLength: 100 }),
    actor: fc.record(
      {
        type: fc.constantFrom("UNKNOWN", "USER", "ADMIN", "SYSTEM", "POLICY"),
        id: fc.string(),
        impersonator_id: word,
      },
      plain,
    ),
    commandId: word,
    anomalyId: word,
    epochId: word,
  },
  plain,
);

const barrier: fc.Arbitrary<Barrier> = fc.record(
  {
    scope: fc.constantFrom("user", "device", "channel"),
    value: fc.string({ maxLength: 128 }),
    atMs: time,
    sparedId: word,
    sparedAtMs: time,
    recordedAtMs: time,
    revocation,
  },
  plain,
);

const suspicion: fc.Arbitrary<Suspicion> = fc.record(
  {
    causeHash: hash,
    sessionId: word,
    riskScore: fc.integer({ min: 0, max: 100 }),
    stepUpAtMs: fc.option(time),
    recordedAtMs: time,
  },
  plain,
);

const userState: fc.Arbitrary<UserState> = fc.record(
  {
    suspicions: fc.array(suspicion, { maxLength: 8 }),
    live: fc.array(session, { maxLength: 4 }),
    ended: fc.array(ended, { maxLength: 8 }),
    tombstones: fc.array(
      fc.record(
        {
          id,
          atMs: time,
          recordedAtMs: time,
          forgetAtMs: time,
          revocation: fc.option(revocation),
        },
        plain,
      ),
      { maxLength: 8 },
    ),
    notBeforeMs: time,
    barriers: fc.array(barrier, { maxLength: 4 }),
    commands: fc.array(fc.record({ id, atMs: time }, plain), { maxLength: 64 }),
    excessToldAtMs: time,
    recentEvents: fc.array(hash, { maxLength: 128 }),
    wakeAtMs: fc.option(time),
  },
  plain,
);

test("every state comes back as it was written", () => {
  fc.assert(fc.property(userState, (state) => assert.deepEqual(back(state), state)));
});

test("an encoded state is not changed by the next one", () => {
  const first = codec.encode({ ...emptyState, notBeforeMs: 1 });
  const kept = Buffer.from(first);
  codec.encode({ ...emptyState, notBeforeMs: 2 ** 40 });
  assert.deepEqual(Buffer.from(first), kept);
});

test("a state cut short or of an unknown layout is refused", () => {
  const bytes = codec.encode({ ...emptyState, tombstones: [tombstone] });
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => codec.decode(bytes.subarray(0, length), codec.version), /VIG_INVARIANT/);
  }
  assert.throws(
    () => codec.decode(Buffer.concat([bytes, Buffer.of(0)]), codec.version),
    /VIG_INVARIANT/,
  );
  assert.throws(() => codec.decode(bytes, codec.version + 1), /VIG_INVARIANT/);
});

const tombstone = { id: "s-9", atMs: T0, recordedAtMs: T0, forgetAtMs: T0 + 1, revocation: null };

/** What the first layout's writer made of a live, an ended and an entombed session; no code writes it any more. */
const LAYOUT_1 =
  "AQNzLTGA0uXsuDOA0uXsuDOA0uXsuDMAAwUCAgEHc3VwcG9ydAEGb3JnLXNuAQNkLTEAAQNzc28BCzEwLjAuMC4wLzI0AQJhYgECazEBAlNOAQVEYWthcgABA3MtMoDS5ey4M4HS5ey4MwEDcy05gNLl7LgzgNLl7LgzgdLl7LgzBwEAAAAAAAAAAYHS5ey4Mw==";

test("a state of the first layout is read, and knows of no revocation", () => {
  const bytes = Buffer.from(LAYOUT_1, "base64");
  const state = codec.decode(bytes, 1);
  assert.deepEqual(back(state), state);
  const [live] = state.live;
  assert.deepEqual([live?.id, live?.stepUpRequiredAtMs, live?.riskScore], ["s-1", null, 0]);
  assert.deepEqual(state.ended, [
    {
      id: "s-2",
      version: T0,
      forgetAtMs: T0 + 1,
      isCleared: false,
      channel: "UNKNOWN",
      deviceHash: null,
      revokedAtMs: null,
      misuseToldAtMs: null,
    },
  ]);
  assert.deepEqual(state.tombstones, [tombstone]);
  assert.deepEqual([state.barriers, state.commands, state.excessToldAtMs], [[], [], 0]);
  assert.deepEqual(state.suspicions, []);
});

test("a user with one session takes a few hundred bytes", () => {
  const one: Session = {
    ...noContext,
    id: "0b9f1b6e-3d0c-4f0e-9a40-0d6a3a1f7d55",
    version: T0,
    createdAtMs: T0,
    startKnown: true,
    adopted: false,
    lastSeenMs: T0,
    absoluteCapMs: null,
    policyVersion: 0,
    vouchedUntilMs: 0,
    stepUpRequiredAtMs: null,
    riskScore: 0,
    pending: false,
    userAgent: "Mozilla/5.0 (Linux; Android 13) Chrome/120.0.0.0 Mobile Safari/537.36",
    ipHash: "a".repeat(64),
  };
  assert.ok(codec.encode({ ...emptyState, live: [one] }).length < 300);
});

test("numbers at the edges of a varint come back", () => {
  const numbers = [0, 127, 128, 16_383, 16_384, 2 ** 32, 2 ** 49 - 1, Number.MAX_SAFE_INTEGER];
  const writer = new ByteWriter();
  for (const value of numbers) writer.varint(value);
  const reader = new ByteReader(writer.finish());
  assert.deepEqual(
    numbers.map(() => reader.varint()),
    numbers,
  );
  assert.throws(() => writer.varint(-1), /VIG_INVARIANT/);
  assert.throws(() => writer.varint(0.5), /VIG_INVARIANT/);
});
