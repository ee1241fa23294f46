import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { SessionName } from "@vigie/core/keys";
import { defaultPolicy, overlayPolicy, type PolicyDocument } from "@vigie/core/policy";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { test } from "vitest";
import { DenialBook } from "./denial-book.ts";
import type { Found, SessionStore } from "./session-store.ts";
import { createSessionView, type SessionViewParts } from "./session-view.ts";
import { NOW_MS, storedSession } from "./testing.ts";

const active = (over: Parameters<typeof storedSession>[0] = {}): Found => ({
  kind: "active",
  session: storedSession(over),
});
const ended: Found = { kind: "ended", status: "LOGGED_OUT" };
const none: Found = { kind: "none" };

/** A store that answers the same to everybody; `behind`: it lags. */
const store = (found: Found, { behind = false } = {}): SessionStore => ({
  lagMaxMs: 1,
  find: async () => ({ found, partition: 0, appliedOffset: behind ? 0 : 1 }),
});
const away = (code: "VIG_REDIS_AWAY" | "VIG_DATABASE_AWAY"): SessionStore => ({
  lagMaxMs: 1,
  find: () => Promise.reject(new VigError(code, { why: "test" })),
});

interface Setting extends Partial<SessionViewParts> {
  readonly policy?: PolicyDocument;
}

function viewOf(stores: readonly SessionStore[], setting: Setting = {}) {
  const { policy = defaultPolicy, ...parts } = setting;
  return createSessionView({
    stores,
    book: new DenialBook(() => NOW_MS),
    isBookCurrent: () => true,
    ends: { isCurrent: (_partition, offset) => offset > 0 },
    policyOf: () => policy,
    outagesOf: () => [],
    ownerOf: async () => ({ userId: "u-1", sessionId: "s-1" }),
    clock: () => NOW_MS,
    ...parts,
  });
}

/** kind, with the status of an end; the code of a refusal to answer. */
async function answer(stores: readonly SessionStore[], setting?: Setting): Promise<string> {
  try {
    const said = await viewOf(stores, setting).resolve(new SessionName("acme", "u-1", "s-1"));
    return said.kind === "ended" ? said.status : said.kind;
  } catch (error) {
    assert.ok(error instanceof VigError);
    return error.code;
  }
}
const UNSURE = "VIG_SESSION_STATE_UNKNOWN";

test.each<[string, readonly SessionStore[], string]>([
  ["Redis has it", [store(active()), away("VIG_DATABASE_AWAY")], "live"],
  ["Redis misses it, PostgreSQL has it", [store(none), store(active())], "live"],
  ["Redis is away", [away("VIG_REDIS_AWAY"), store(active())], "live"],
  ["Redis lags, PostgreSQL does not", [store(active(), { behind: true }), store(active())], "live"],
  [
    "Redis lags and does not know its end",
    [store(active(), { behind: true }), store(ended)],
    "LOGGED_OUT",
  ],
  ["an end holds even from a store that lags", [store(ended, { behind: true })], "LOGGED_OUT"],
  ["both miss it", [store(none), store(none)], "unknown"],
  ["both lag", [store(active(), { behind: true }), store(active(), { behind: true })], UNSURE],
  ["Redis misses it, PostgreSQL is away", [store(none), away("VIG_DATABASE_AWAY")], UNSURE],
  ["Redis misses it, PostgreSQL lags", [store(none), store(none, { behind: true })], UNSURE],
  ["both are away", [away("VIG_REDIS_AWAY"), away("VIG_DATABASE_AWAY")], UNSURE],
  ["nothing is configured", [], UNSURE],
])("when %s", async (_name, stores, said) => {
  assert.equal(await answer(stores), said);
});

function bookWith(record: { readonly revoked?: boolean; readonly epoch?: boolean }): DenialBook {
  const book = new DenialBook(() => NOW_MS);
  const names = { tenant_id: "acme", user_id: "u-1", session_id: "s-1" };
  const times = { revoked_at: NOW_MS, session_expires_at: NOW_MS + HOUR_MS };
  if (record.revoked) book.takeRevocation({ ...names, ...times });
  if (record.epoch) {
    const actor = { type: "ADMIN", id: "a-1", impersonator_id: null } as const;
    const about = { scope: "ORG", value: "shop-7", reason: "test", actor } as const;
    book.takeEpoch({ epoch_id: "e", tenant_id: "acme", not_before: NOW_MS, ...about });
  }
  return book;
}

test("a revocation or an epoch beats whatever a store says", async () => {
  assert.equal(await answer([store(active())], { book: bookWith({ revoked: true }) }), "REVOKED");
  assert.equal(await answer([store(active())], { book: bookWith({ epoch: true }) }), "REVOKED");
  assert.equal(
    await answer([away("VIG_REDIS_AWAY")], { book: bookWith({ revoked: true }) }),
    "REVOKED",
  );
});

test("a revocation that arrives while a store is asked counts", async () => {
  const book = bookWith({});
  const slow: SessionStore = {
    lagMaxMs: 1,
    async find() {
      book.takeRevocation({
        tenant_id: "acme",
        user_id: "u-1",
        session_id: "s-1",
        revoked_at: NOW_MS,
        session_expires_at: NOW_MS + 1,
      });
      return { found: active(), partition: 0, appliedOffset: 1 };
    },
  };
  assert.equal(await answer([slow], { book }), "REVOKED");
});

test("while revocations cannot be followed nobody is called alive, and an end is still an end", async () => {
  const isBookCurrent = () => false;
  assert.equal(await answer([store(active())], { isBookCurrent }), UNSURE);
  assert.equal(await answer([store(ended)], { isBookCurrent }), "LOGGED_OUT");
});

test("while the broker is away nobody is called silent for too long, but the absolute end comes", async () => {
  const isBookCurrent = () => false;
  assert.equal(await answer(quiet(31), { isBookCurrent }), UNSURE);
  const over = [store(active({ absoluteExpiresAtMs: NOW_MS }))];
  assert.equal(await answer(over, { isBookCurrent }), "EXPIRED");
});

const quiet = (minutes: number) => [store(active({ lastSeenMs: NOW_MS - minutes * MINUTE_MS }))];

test("HBT-02: the idle end follows from the policy in force, not from what was stored", async () => {
  assert.equal(await answer(quiet(29)), "live");
  assert.equal(await answer(quiet(30)), "IDLE_EXPIRED");
  const longer = overlayPolicy(defaultPolicy, { idle_timeout: { minutes: 60 } });
  assert.equal(await answer(quiet(30), { policy: longer }), "live");
  const shorter = overlayPolicy(defaultPolicy, { idle_timeout: { minutes: 5 } });
  assert.equal(await answer(quiet(5), { policy: shorter }), "IDLE_EXPIRED");
});

test("HBT-03: the absolute end follows from the policy, and is never later than what was published", async () => {
  const old = [store(active({ createdAtMs: NOW_MS - 2 * HOUR_MS }))];
  const shorter = overlayPolicy(defaultPolicy, { absolute_timeout: { hours: 2 } });
  assert.equal(await answer(old), "live");
  assert.equal(await answer(old, { policy: shorter }), "EXPIRED");
  assert.equal(await answer([store(active({ absoluteExpiresAtMs: NOW_MS }))]), "EXPIRED");
});

test("a live answer carries the deadlines in force", async () => {
  const said = await viewOf([store(active())]).resolve(new SessionName("acme", "u-1", "s-1"));
  assert.ok(said.kind === "live");
  assert.equal(said.session.idleExpiresAtMs, NOW_MS + 30 * MINUTE_MS);
});

test("SES-18: a session is found by tenant and id alone", async () => {
  const view = viewOf([store(active())]);
  assert.equal((await view.resolveById("acme", "s-1")).kind, "live");
  const book = new DenialBook(() => NOW_MS);
  book.takeRevocation({
    tenant_id: "acme",
    user_id: "u-1",
    session_id: "s-1",
    revoked_at: NOW_MS,
    session_expires_at: NOW_MS + MINUTE_MS,
  });
  const denied = viewOf([store(active())], { book });
  assert.equal((await denied.resolveById("acme", "the id of its row")).kind, "ended");
  const nobodys = viewOf([store(active())], { ownerOf: async () => null });
  assert.equal((await nobodys.resolveById("acme", "s-1")).kind, "unknown");
});

test("a bug in a store is no reason to ask the next one", async () => {
  const broken: SessionStore = { lagMaxMs: 1, find: () => Promise.reject(new TypeError("bug")) };
  await assert.rejects(
    viewOf([broken, store(active())]).resolve(new SessionName("acme", "u-1", "s-1")),
    TypeError,
  );
});
