import assert from "node:assert/strict";
import type { SessionEpoch } from "@vigie/schemas/types";
import { test } from "vitest";
import { DenialBook } from "./denial-book.ts";
import { NOW_MS, storedSession } from "./testing.ts";

const actor = { type: "ADMIN", id: "a-1", impersonator_id: null } as const;
const epoch = (over: Partial<SessionEpoch>): SessionEpoch => ({
  epoch_id: "e-1",
  tenant_id: "acme",
  scope: "TENANT",
  value: null,
  not_before: NOW_MS,
  reason: "test",
  actor,
  ...over,
});
const open = () => new DenialBook(() => NOW_MS);

test("a revocation denies its session and no other", () => {
  const book = open();
  book.takeRevocation({
    tenant_id: "acme",
    user_id: "u-1",
    session_id: "s-1",
    revoked_at: NOW_MS - 1,
    session_expires_at: NOW_MS + 1,
  });
  assert.deepEqual(book.denialOf(storedSession()), { by: "revocation", deniedAtMs: NOW_MS - 1 });
  for (const other of [{ sessionId: "s-2" }, { userId: "u-2" }, { tenantId: "other" }]) {
    assert.equal(book.denialOf(storedSession(other)), null);
  }
});

test("REV-12: the result of a command denies what it revoked for a minute, by when its topic has told", () => {
  let nowMs = NOW_MS;
  const book = new DenialBook(() => nowMs);
  const result = {
    command_id: "c-1",
    batch_id: null,
    tenant_id: "acme",
    user_id: "u-1",
    revoked_session_ids: ["s-1", "s-2"],
    already_ended: 1,
    // Told late: a clock of long ago makes it no shorter.
    decided_at: NOW_MS - 3_600_000,
  };
  book.takeResult(result);
  const denied = { by: "revocation", deniedAtMs: result.decided_at } as const;
  for (const sessionId of ["s-1", "s-2"]) {
    assert.deepEqual(book.denialOf(storedSession({ sessionId })), denied);
  }
  assert.equal(book.denialOf(storedSession({ sessionId: "s-3" })), null);
  assert.equal(book.denialOf(storedSession({ userId: "u-2" })), null);
  book.takeRevocation({
    tenant_id: "acme",
    user_id: "u-1",
    session_id: "s-1",
    revoked_at: result.decided_at,
    session_expires_at: NOW_MS + 3_600_000,
  });
  nowMs += 60_000;
  assert.notEqual(book.denialOf(storedSession()), null);
  assert.equal(book.denialOf(storedSession({ sessionId: "s-2" })), null);
});

test.each([
  ["TENANT", null],
  ["ORG", "shop-7"],
  ["ROLE", "cashier"],
  ["CHANNEL", "MOBILE"],
] as const)("an epoch of %s %s denies what began before it", (scope, value) => {
  const book = open();
  book.takeEpoch(epoch({ scope, value }));
  assert.deepEqual(book.denialOf(storedSession()), { by: "epoch", deniedAtMs: NOW_MS });
  assert.equal(book.denialOf(storedSession({ startedAtMs: NOW_MS + 5_001 })), null);
  assert.notEqual(book.denialOf(storedSession({ startedAtMs: null })), null);
  const another = { orgId: "x", roles: [], channel: "API", tenantId: "x" } as const;
  assert.equal(book.denialOf(storedSession(another)), null);
});

test("the greatest epoch of a scope wins, in whatever order they come", () => {
  const late = storedSession({ startedAtMs: NOW_MS - 10_000 });
  for (const times of [
    [NOW_MS, NOW_MS - 60_000],
    [NOW_MS - 60_000, NOW_MS],
  ]) {
    const book = open();
    for (const not_before of times) book.takeEpoch(epoch({ not_before }));
    assert.deepEqual(book.denialOf(late), { by: "epoch", deniedAtMs: NOW_MS });
  }
});

test("a scope that this version does not know denies nobody", () => {
  const book = open();
  book.takeEpoch(epoch({ scope: "UNKNOWN" }));
  assert.equal(book.denialOf(storedSession()), null);
});
