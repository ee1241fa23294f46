import assert from "node:assert/strict";
import { SessionName } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import type { SessionState } from "@vigie/schemas/types";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import { layoutOf } from "@vigie/service-kit/sessions/layout";
import { redisSessions } from "@vigie/service-kit/sessions/redis-sessions";
import { GONE_BACK } from "@vigie/service-kit/sessions/store-progress";
import { freshPrefix, stack, type TestStack } from "@vigie/testkit/stack";
import fc from "fast-check";
import { afterAll, beforeAll, test } from "vitest";
import { type CacheRecord, createSessionCache, type PartitionWrite } from "./cache.ts";
import { ended, recordOf, removalOf, sessionState } from "./testing.ts";

let servers: TestStack;
const opened: RedisStore[] = [];

beforeAll(async () => {
  servers = await stack();
});
afterAll(async () => {
  await Promise.all(opened.map((redis) => redis.close()));
  await servers.close();
});

/** A cache of its own with one partition, and how its readers see it. */
function openCache(nowMs: () => number = Date.now) {
  const prefix = freshPrefix();
  const redis = openRedis({
    url: servers.redis,
    prefix,
    connectionName: "test",
    log: silentLogger,
  });
  opened.push(redis);
  const cache = createSessionCache(redis, nowMs);
  let offset = 0;
  const write = async (records: readonly CacheRecord[], over: Partial<PartitionWrite> = {}) => {
    const next = { partition: 0, records, fromOffset: offset, nextOffset: offset + records.length };
    const [result] = await cache.write([{ ...next, ...over }]);
    offset += records.length;
    return result;
  };
  const layout = layoutOf(redis.key);
  const sessions = redisSessions(redis, nowMs, 1);
  const answer = (sessionId = "s-1") => sessions.find(new SessionName("acme", "u-1", sessionId));
  const found = async (sessionId?: string) => (await answer(sessionId)).found;
  return { redis, cache, write, layout, answer, found };
}

test("HBT-04: a live session is kept as long as an outage could let it live", async () => {
  const { redis, cache, write, layout, answer } = openCache();
  const state = sessionState(Date.now(), { org_id: null, city: "Dakar" });
  assert.deepEqual(await write([recordOf(state)]), { kind: "taken" });
  assert.deepEqual(await answer(), {
    found: {
      kind: "active",
      session: {
        tenantId: "acme",
        userId: "u-1",
        sessionId: "s-1",
        orgId: null,
        roles: ["customer"],
        channel: "MOBILE",
        startedAtMs: state.created_at,
        deviceId: "d-1",
        userType: "EXTERNAL",
        country: "SN",
        city: "Dakar",
        createdAtMs: state.created_at,
        lastSeenMs: state.last_seen_at,
        absoluteExpiresAtMs: state.absolute_expires_at,
        stepUpRequiredAtMs: null,
        riskScore: 0,
      },
    },
    partition: 0,
    appliedOffset: 1,
  });
  const key = layout.session("acme|u-1|s-1");
  const keptUntilMs = await redis.command("PEXPIRETIME", key);
  assert.equal(keptUntilMs, state.idle_expires_at + 2 * HOUR_MS);
  assert.equal(await cache.countActive(), 1);
});

test("what of several partitions was taken is known again when the rest is written once more", async () => {
  const { redis, cache, layout } = openCache();
  const state = (id: string) => sessionState(Date.now(), { session_id: id });
  const writes = [0, 1, 2].map((partition) => ({
    partition,
    records: [recordOf(state(`s-${partition}`))],
    fromOffset: 0,
    nextOffset: 1,
  }));
  const broken = layout.session("acme|u-1|s-1");
  await redis.command("RPUSH", broken, "not a session");
  await assert.rejects(cache.write(writes), /WRONGTYPE/);
  assert.deepEqual(await cache.offsets([1]), [null]);
  await redis.command("DEL", broken);
  const kinds = (await cache.write(writes)).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["already", "taken", "already"]);
  assert.deepEqual(await cache.offsets([0, 1, 2]), [1, 1, 1]);
});

test("a replica that lagged and takes over vouches for nobody until it is as far as the one before", async () => {
  let nowMs = Date.now();
  const { redis, write, layout, answer } = openCache(() => nowMs);
  const state = sessionState(nowMs);
  await write([recordOf(state)]);
  const lagging = await redis.command("GET", layout.session("acme|u-1|s-1"));
  await write([recordOf(ended(nowMs))]);
  assert.equal((await answer()).appliedOffset, 2);
  // As the replica has it: the session lives, and its end has not come yet.
  await redis.command("SET", layout.session("acme|u-1|s-1"), String(lagging));
  await redis.command("HSET", layout.progress, "offset:0", 1);
  nowMs += 4_000;
  const told = await answer();
  assert.deepEqual([told.found.kind, told.appliedOffset], ["active", GONE_BACK]);
  await write([recordOf(ended(nowMs))], { fromOffset: 1, nextOffset: 2 });
  const caughtUp = await answer();
  assert.deepEqual([caughtUp.found.kind, caughtUp.appliedOffset], ["ended", 2]);
});

test("nothing is kept beyond the absolute end; an adopted session's start is not known", async () => {
  const { redis, write, layout, found } = openCache();
  const nowMs = Date.now();
  const over = { absolute_expires_at: nowMs + HOUR_MS, adopted: true, org_id: "shop-7" };
  await write([recordOf(sessionState(nowMs, over))]);
  const key = layout.session("acme|u-1|s-1");
  assert.equal(await redis.command("PEXPIRETIME", key), over.absolute_expires_at);
  const held = await found();
  assert.ok(held.kind === "active");
  assert.equal(held.session.startedAtMs, null);
  assert.equal(held.session.orgId, "shop-7");
});

test("only a greater version is taken", async () => {
  const { write, found } = openCache();
  const nowMs = Date.now();
  await write([recordOf(sessionState(nowMs, { channel: "WEB", version: 20 }))]);
  await write([recordOf(sessionState(nowMs, { channel: "API", version: 20 }))]);
  await write([recordOf(sessionState(nowMs, { channel: "USSD", version: 9 }))]);
  const held = await found();
  assert.equal(held.kind === "active" && held.session.channel, "WEB");
});

test("an end leaves a marker until the absolute end, and no older record brings it back", async () => {
  const { redis, cache, write, layout, found } = openCache();
  const nowMs = Date.now();
  const state = sessionState(nowMs);
  await write([recordOf(state), recordOf(ended(nowMs))]);
  assert.deepEqual(await found(), { kind: "ended", status: "LOGGED_OUT" });
  const key = layout.session("acme|u-1|s-1");
  assert.equal(await redis.command("PEXPIRETIME", key), state.absolute_expires_at);
  await write([recordOf(state)]);
  await write([removalOf(state)]);
  assert.deepEqual(await found(), { kind: "ended", status: "LOGGED_OUT" });
  assert.equal(await cache.countActive(), 0);
});

test("PRV-14: with the record of an ended session its marker goes, within a minute", async () => {
  const { redis, write, layout } = openCache();
  const nowMs = Date.now();
  const state = sessionState(nowMs);
  await write([recordOf(state), recordOf(ended(nowMs)), removalOf(state)]);
  const leftMs = Number(await redis.command("PTTL", layout.session("acme|u-1|s-1")));
  assert.ok(leftMs > 0 && leftMs <= MINUTE_MS, `${leftMs} ms`);
  await write([removalOf(state)]);
  assert.ok(Number(await redis.command("PTTL", layout.session("acme|u-1|s-1"))) <= leftMs);
});

test("a removed record of a session whose end was compacted away takes the life with it", async () => {
  const { cache, write, found } = openCache();
  const state = sessionState(Date.now());
  await write([recordOf(state)]);
  await write([removalOf(state)]);
  assert.deepEqual(await found(), { kind: "none" });
  assert.equal(await cache.countActive(), 0);
});

test("a session that ran out long before its record was read is not kept", async () => {
  const { cache, write, found } = openCache();
  await write([recordOf(sessionState(Date.now() - 3 * HOUR_MS))]);
  assert.deepEqual(await found(), { kind: "none" });
  assert.equal(await cache.countActive(), 0);
});

test("sessions that ran out leave the count by themselves", async () => {
  let nowMs = Date.now();
  const { cache, write } = openCache(() => nowMs);
  const soon = { session_id: "soon", idle_expires_at: nowMs + MINUTE_MS };
  await write([recordOf(sessionState(nowMs)), recordOf(sessionState(nowMs, soon))]);
  assert.equal(await cache.countActive(), 2);
  nowMs += MINUTE_MS + 1;
  assert.equal(await cache.countActive(), 1);
});

test("with every answer comes up to where the partition is applied", async () => {
  const { cache, write, answer } = openCache();
  assert.equal((await answer()).appliedOffset, 0);
  await write([recordOf(sessionState(Date.now()))]);
  await write([], { fromOffset: 1, nextOffset: 7 });
  assert.equal((await answer()).appliedOffset, 7);
  await cache.reset([0]);
  assert.equal((await answer()).appliedOffset, GONE_BACK);
});

test("a write that was taken before is recognised; one that skips is refused", async () => {
  const { cache } = openCache();
  const base = { partition: 0, records: [] };
  const first = { ...base, fromOffset: 0, nextOffset: 5 };
  assert.deepEqual(await cache.write([first]), [{ kind: "taken" }]);
  assert.deepEqual(await cache.write([first]), [{ kind: "already" }]);
  const skipping = { ...base, fromOffset: 9, nextOffset: 12 };
  assert.deepEqual(await cache.write([skipping]), [{ kind: "lost", partition: 0, heldOffset: 5 }]);
  assert.deepEqual(await cache.offsets([0, 1]), [5, null]);
  await cache.reset([0]);
  assert.deepEqual(await cache.offsets([0]), [null]);
});

test("a Redis that lost its data refuses the next write and takes nothing of it", async () => {
  const { redis, write, layout, found } = openCache();
  await write([recordOf(sessionState(Date.now()))]);
  await redis.command("DEL", layout.progress, layout.session("acme|u-1|s-1"));
  const result = await write([recordOf(sessionState(Date.now(), { session_id: "s-2" }))]);
  assert.deepEqual(result, { kind: "lost", partition: 0, heldOffset: 0 });
  assert.deepEqual(await found("s-2"), { kind: "none" });
});

test("records written again from anywhere before leave what one pass would have", async () => {
  const nowMs = Date.now();
  const step = fc.record({ session: fc.nat({ max: 2 }), end: fc.boolean(), back: fc.nat(4) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const over = new Set<number>();
      const records: CacheRecord[] = [];
      for (const [at, { session, end }] of steps.entries()) {
        if (over.has(session)) continue;
        if (end) over.add(session);
        const named = { session_id: `s-${session}`, version: nowMs + at };
        const make: typeof sessionState = end ? ended : sessionState;
        records.push(recordOf(make(nowMs, named)));
      }
      const once = openCache();
      await once.write(records);
      // A crash after any record, then again from some records before it.
      const again = openCache();
      for (const [at, { back }] of steps.slice(0, records.length).entries()) {
        const fromOffset = Math.max(0, at - back);
        const part = records.slice(fromOffset, at + 1);
        await again.write(part, { fromOffset, nextOffset: at + 1 });
      }
      for (const id of ["s-0", "s-1", "s-2"]) {
        assert.deepEqual(await again.found(id), await once.found(id));
      }
      assert.equal(await again.cache.countActive(), await once.cache.countActive());
    }),
    { numRuns: 25 },
  );
});

test("two hundred records in a call take Redis a few milliseconds", async () => {
  const { write } = openCache();
  const nowMs = Date.now();
  const many: SessionState[] = Array.from({ length: 200 }, (_, n) =>
    sessionState(nowMs, { user_id: `u-${n}`, session_id: `s-${n}` }),
  );
  await write(many.slice(0, 1).map(recordOf));
  const startMs = performance.now();
  await write(many.map(recordOf));
  // On two busy cores some 10 ms; the bound only finds a script that has become quadratic.
  assert.ok(performance.now() - startMs < 1_000);
});
