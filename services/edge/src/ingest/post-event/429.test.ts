import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import type { SessionAnomaly } from "@vigie/schemas/types";
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

const inExcess = {
  ...{ tenant_id: sampleLogin.tenant_id, user_id: sampleLogin.user_id, mode: "ENFORCE" },
  ...{ kind: "concurrent_sessions", retracts: null, evidence: { on_excess: "alarm" } },
} as unknown as SessionAnomaly;

test("ANO-14, CNF-15: logins of a user with sessions too many are slowed, and none that was acknowledged is lost", async () => {
  const edge = testEdge();
  edge.excess.note(inExcess);
  const send = (over: object) => post(edge, "/v1/events/login", { ...sampleLogin, ...over });
  const fates = [];
  for (let n = 0; n < 5; n += 1) fates.push((await send({})).statusCode);
  assert.deepEqual(fates, [202, 202, 202, 429, 429]);
  const refused = await send({});
  assert.equal(refused.headers["retry-after"], "20");
  assert.equal(refused.json().code, "VIG_RATE_LIMITED");
  // What else happens to the user is told in any case, and others sign in.
  for (const kind of ["AUTH_FAIL", "LOGOUT", "PASSWORD_CHANGED"]) {
    assert.equal((await send({ kind })).statusCode, 202, kind);
  }
  assert.equal((await send({ user_id: "somebody-else" })).statusCode, 202);
  const items = [{ type: "login", event: sampleLogin }];
  const batch = await post(edge, "/v1/events", { items });
  assert.equal(batch.json().items[0].status, 429);
  assert.equal(edge.output.produced.length, 3 + 3 + 1);
});
