import assert from "node:assert/strict";
import { TICK_INTERVAL_MS } from "@vigie/core/outages";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { test } from "vitest";
import { heartbeat, KEY, login, sessionsDriver, T0 } from "./testing.ts";

const IDLE_MS = 30 * MINUTE_MS;

/** A driver whose edge writes ticks up to `lastTickMs`, with one session since T0. */
function watched(lastTickMs: number, over: Parameters<typeof login>[0] = {}) {
  const stage = sessionsDriver(T0 - SECOND_MS);
  let logged = false;
  for (let ms = T0; ms <= lastTickMs; ms += TICK_INTERVAL_MS) {
    stage.tick(ms);
    if (!logged) stage.at(ms, "id.login", login(over));
    logged = true;
  }
  stage.published();
  return stage;
}

const ticking = (stage: ReturnType<typeof watched>, fromMs: number, untilMs: number): void => {
  for (let ms = fromMs; ms <= untilMs; ms += TICK_INTERVAL_MS) stage.tick(ms);
};

const lastStatus = (stage: ReturnType<typeof watched>) => stage.published().at(-1)?.status;

test("HBT-02: with an edge that is there, a silent session ends at its deadline, told within seconds", () => {
  const stage = watched(T0 + IDLE_MS - MINUTE_MS);
  ticking(stage, T0 + IDLE_MS - MINUTE_MS + TICK_INTERVAL_MS, T0 + IDLE_MS + 3 * TICK_INTERVAL_MS);
  const ended = stage.published().at(-1);
  assert.equal(ended?.status, "IDLE_EXPIRED");
  assert.equal(ended?.ended_at, T0 + IDLE_MS);
});

test("HBT-02: edge and broker away for an hour sign nobody out; the silence before and after counts", () => {
  const goneMs = T0 + 10 * MINUTE_MS;
  const backMs = goneMs + HOUR_MS;
  const stage = watched(goneMs);
  stage.driver.advanceTo(backMs);
  assert.deepEqual(stage.published(), []);
  ticking(stage, backMs, backMs + 19 * MINUTE_MS);
  assert.equal(stage.driver.state(KEY)?.live.length, 1);
  ticking(stage, backMs + 19 * MINUTE_MS, backMs + 21 * MINUTE_MS);
  assert.equal(lastStatus(stage), "IDLE_EXPIRED");
});

test("HBT-02: a session that is woken after an outage is published with its later end", () => {
  const backMs = T0 + 25 * MINUTE_MS;
  const stage = watched(T0 + 10 * MINUTE_MS);
  ticking(stage, backMs, T0 + IDLE_MS + MINUTE_MS);
  const [alive, ...more] = stage.published();
  assert.equal(alive?.status, "ACTIVE");
  assert.equal(alive?.idle_expires_at, T0 + IDLE_MS + 15 * MINUTE_MS);
  assert.deepEqual(more, []);
});

test("HBT-02: the first heartbeat after the outage keeps its session, though no tick came before it", () => {
  const goneMs = T0 + 10 * MINUTE_MS;
  const backMs = goneMs + HOUR_MS;
  const stage = watched(goneMs);
  stage.at(backMs, "id.heartbeat", heartbeat());
  assert.equal(stage.driver.state(KEY)?.live[0]?.lastSeenMs, backMs);
  ticking(stage, backMs + SECOND_MS, backMs + MINUTE_MS);
  assert.equal(stage.driver.state(KEY)?.live.length, 1);
});

test("HBT-02: nor does an edge that fell silent just before the deadline", () => {
  const stage = watched(T0 + IDLE_MS - TICK_INTERVAL_MS);
  stage.driver.advanceTo(T0 + IDLE_MS + 20 * SECOND_MS);
  assert.equal(stage.driver.state(KEY)?.live.length, 1);
  const backMs = T0 + IDLE_MS + HOUR_MS;
  stage.at(backMs, "id.heartbeat", heartbeat());
  ticking(stage, backMs, backMs + MINUTE_MS);
  assert.equal(stage.driver.state(KEY)?.live.length, 1);
});

test("HBT-03: nobody lives past the absolute end, however long we were away", () => {
  const endMs = T0 + 40 * MINUTE_MS;
  const goneMs = T0 + 10 * MINUTE_MS;
  const stage = watched(goneMs, { absolute_expires_at: endMs });
  stage.driver.advanceTo(goneMs + HOUR_MS);
  const ended = stage.published().at(-1);
  assert.equal(ended?.status, "EXPIRED");
  assert.equal(ended?.ended_at, endMs);
});

test("an edge that never comes back keeps a silent session for two hours", () => {
  const goneMs = T0 + 10 * MINUTE_MS;
  const stage = watched(goneMs);
  const endMs = T0 + IDLE_MS + 2 * HOUR_MS;
  stage.driver.advanceTo(endMs - SECOND_MS);
  assert.equal(stage.driver.state(KEY)?.live.length, 1);
  stage.driver.advanceTo(endMs + 10 * MINUTE_MS);
  const ended = stage.published().at(-1);
  assert.equal(ended?.status, "IDLE_EXPIRED");
  assert.equal(ended?.ended_at, endMs);
});

test("a state that was lost and restored from its changelog still knows the outage", () => {
  const goneMs = T0 + 10 * MINUTE_MS;
  const backMs = goneMs + HOUR_MS;
  const stage = watched(goneMs);
  stage.tick(backMs);
  stage.driver.restore();
  ticking(stage, backMs + TICK_INTERVAL_MS, backMs + 19 * MINUTE_MS);
  assert.equal(stage.driver.state(KEY)?.live.length, 1);
});

test("without any tick there is no outage: sessions end by the clock", () => {
  const stage = sessionsDriver();
  stage.at(T0, "id.login", login());
  stage.driver.advanceTo(T0 + IDLE_MS);
  assert.equal(stage.published().at(-1)?.status, "IDLE_EXPIRED");
});

test("a user is not woken over and over while no edge is heard of", () => {
  const stage = watched(T0 + 10 * MINUTE_MS);
  const before = stage.driver.changelog().length;
  stage.driver.advanceTo(T0 + 2 * HOUR_MS);
  const writes = stage.driver.changelog().length - before;
  assert.ok(writes < 40, `${writes} writes of a state in an outage`);
});
