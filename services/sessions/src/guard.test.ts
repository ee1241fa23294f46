import assert from "node:assert/strict";
import { MINUTE_MS } from "@vigie/core/time";
import fc from "fast-check";
import { test } from "vitest";
import { createAggregateCodec } from "./aggregates.ts";
import { newborn } from "./decide/appear.ts";
import type { Change } from "./evolve.ts";
import { guardOf, loadAfter, noLoad, REVOCATIONS_MIN, type TenantLoad } from "./guard.ts";
import { byAnomaly, sessionLimit } from "./revocations.ts";
import type { Revocation, Session } from "./state.ts";
import { noContext, T0 } from "./testing.ts";

const session: Session = {
  ...newborn,
  ...noContext,
  id: "s-1",
  createdAtMs: T0,
  startKnown: true,
  adopted: false,
  lastSeenMs: T0,
  absoluteCapMs: null,
};

const began: Change = { type: "began", session };
const ended = (revocation: Revocation | null): Change => ({
  type: "ended",
  session,
  status: revocation === null ? "LOGGED_OUT" : "REVOKED",
  reason: "",
  atMs: T0,
  revocation,
  forgetAtMs: T0,
});
const byRule = ended(byAnomaly("geo_block", "an-1"));
const loadOf = (live: number, revoked: TenantLoad["revoked"] = []): TenantLoad => ({
  ...noLoad,
  live,
  revoked,
});

test("one in a hundred may be revoked, and ten in any case", () => {
  assert.equal(guardOf(loadOf(0), T0).left, REVOCATIONS_MIN);
  assert.equal(guardOf(loadOf(1_000), T0).left, 10);
  assert.equal(guardOf(loadOf(5_000), T0).left, 50);
  // 20 were among the 5,000 a minute ago.
  assert.equal(guardOf(loadOf(4_980, [{ minuteMs: T0, count: 20 }]), T0 + MINUTE_MS).left, 30);
  assert.equal(guardOf(loadOf(4_980, [{ minuteMs: T0, count: 99 }]), T0).left, 0);
  assert.equal(guardOf(loadOf(5_000, [{ minuteMs: T0, count: 99 }]), T0 + 6 * MINUTE_MS).left, 50);
});

test("only what anomalies revoke is counted, and every end lowers the sessions", () => {
  const load = loadOf(10);
  assert.equal(loadAfter(load, [], T0), load);
  assert.deepEqual(loadAfter(load, [began, ended(null), ended(sessionLimit)], T0), loadOf(9));
  assert.deepEqual(loadAfter(load, [byRule], T0), loadOf(9, [{ minuteMs: T0, count: 1 }]));
  const held: Change = { type: "held", rule: "geo_block", anomalyId: "an-1", atMs: T0 };
  const told = loadAfter(load, [held], T0);
  assert.equal(guardOf(told, T0 + MINUTE_MS).isHeldTold, true);
  assert.equal(guardOf(told, T0 + 5 * MINUTE_MS).isHeldTold, false);
});

const codec = createAggregateCodec();

test("property: within any five minutes no more are revoked than may be; the count stays small and is stored as it is", () => {
  const step = fc.record({ afterMs: fc.nat(3 * MINUTE_MS), wants: fc.nat(30) });
  fc.assert(
    fc.property(fc.nat(4_000), fc.array(step, { maxLength: 30 }), (live, steps) => {
      let load = loadOf(live);
      let nowMs = T0;
      const revokedAt: number[] = [];
      for (const { afterMs, wants } of steps) {
        nowMs += afterMs;
        for (let want = 0; want < wants; want++) {
          if (guardOf(load, nowMs).left === 0) break;
          load = loadAfter(load, [byRule], nowMs);
          revokedAt.push(nowMs);
        }
        assert.ok(load.revoked.length <= 7);
        assert.deepEqual(codec.decode(codec.encode(load), codec.version), load);
      }
      const lately = revokedAt.filter((atMs) => atMs > nowMs - 5 * MINUTE_MS).length;
      assert.ok(lately <= Math.max(REVOCATIONS_MIN, Math.floor(live * 0.01)));
    }),
  );
});

test("every kind of aggregate comes back as it was stored", () => {
  const all = [
    { kind: "audit_seq", last: 7 },
    { kind: "ticks", ticks: { lastMs: T0, outages: [{ fromMs: T0 - 60_000, untilMs: T0 }] } },
    { ...loadOf(3, [{ minuteMs: T0, count: 2 }]), heldToldAtMs: T0 },
  ];
  for (const one of all) assert.deepEqual(codec.decode(codec.encode(one), codec.version), one);
});
