import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { LocalRateLimiter } from "@vigie/service-kit/http/rate-limit";
import { test } from "vitest";
import { NOW_MS, person, post, testEdge } from "../../test-edge.ts";

function limitedEdge(perMinute: number) {
  let nowMs = NOW_MS;
  const limiter = new LocalRateLimiter({ clock: () => nowMs });
  const { verifier } = testEdge();
  const rate = { perMinute, burst: perMinute };
  const edge = testEdge({ auth: { verifier, limiter, rates: { service: rate, user: rate } } });
  return { edge, pass: (ms: number) => (nowMs += ms) };
}

test("a caller over its rate is told when to come back, and others are not held up", async () => {
  const { edge, pass } = limitedEdge(2);
  const send = (sub: string) => post(edge, "/v1/events/login", sampleLogin, { claims: { sub } });
  assert.equal((await send("a")).statusCode, 202);
  assert.equal((await send("a")).statusCode, 202);
  const refused = await send("a");
  assert.equal(refused.statusCode, 429);
  assert.equal(refused.headers["retry-after"], "30");
  assert.equal(refused.json().code, "VIG_RATE_LIMITED");
  assert.equal((await send("b")).statusCode, 202);
  pass(30_000);
  assert.equal((await send("a")).statusCode, 202);
  assert.equal(edge.output.produced.length, 4);
});

test("one heartbeat in 5 s of a person's session", async () => {
  const { edge, pass } = limitedEdge(100);
  const body = { channel: "MOBILE" };
  const send = (sid: string) =>
    post(edge, "/v1/events/heartbeat", body, { claims: { ...person, sid } });
  assert.equal((await send("s-1")).statusCode, 202);
  const refused = await send("s-1");
  assert.equal(refused.statusCode, 429);
  assert.equal(refused.headers["retry-after"], "5");
  assert.equal((await send("s-2")).statusCode, 202);
  pass(5_000);
  assert.equal((await send("s-1")).statusCode, 202);
});
