import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import {
  type Epoch,
  type EpochScope,
  type EpochSubject,
  epochCovers,
  epochKey,
  epochKeysOf,
} from "./epochs.ts";

const NOT_BEFORE_MS = 1_000_000;

const session: EpochSubject = {
  tenantId: "acme",
  orgId: "shop-7",
  roles: ["cashier", "customer"],
  channel: "MOBILE",
  startedAtMs: NOT_BEFORE_MS,
};
const epoch = (scope: EpochScope, value: string | null): Epoch => ({
  id: "e-1",
  tenantId: "acme",
  scope,
  value,
  notBeforeMs: NOT_BEFORE_MS,
});

test("an epoch revokes what began at or before it, with 5 s for what was on its way", () => {
  const began = (startedAtMs: number | null) =>
    epochCovers(epoch("TENANT", null), { ...session, startedAtMs });
  assert.equal(began(0), true);
  assert.equal(began(NOT_BEFORE_MS + 5_000), true);
  assert.equal(began(NOT_BEFORE_MS + 5_001), false);
  assert.equal(began(null), true);
});

test("an epoch revokes its own scope and tenant only", () => {
  const covers = (scope: EpochScope, value: string | null, over: Partial<EpochSubject> = {}) =>
    epochCovers(epoch(scope, value), { ...session, ...over });
  assert.equal(covers("TENANT", null, { tenantId: "other" }), false);
  assert.equal(covers("ORG", "shop-7"), true);
  assert.equal(covers("ORG", "shop-8"), false);
  assert.equal(covers("ORG", "shop-7", { orgId: null }), false);
  assert.equal(covers("ORG", null, { orgId: null }), false);
  assert.equal(covers("ROLE", "cashier"), true);
  assert.equal(covers("ROLE", "admin"), false);
  assert.equal(covers("CHANNEL", "MOBILE"), true);
  assert.equal(covers("CHANNEL", "USSD"), false);
});

test("whatever covers a session lies under one of its keys", () => {
  const words = ["acme", "shop-7", "cashier", "MOBILE", "other"];
  const word = fc.constantFrom(...words);
  const epochs = fc.record({
    id: fc.constant("e-1"),
    tenantId: word,
    scope: fc.constantFrom<EpochScope>("TENANT", "ORG", "ROLE", "CHANNEL"),
    value: fc.option(word),
    notBeforeMs: fc.constant(NOT_BEFORE_MS),
  });
  fc.assert(
    fc.property(epochs, (some) => {
      if (!epochCovers(some, session)) return;
      const value = some.scope === "TENANT" ? null : some.value;
      assert.ok([...epochKeysOf(session)].includes(epochKey({ ...some, value })));
    }),
  );
});
