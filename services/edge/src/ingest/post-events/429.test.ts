import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { LocalRateLimiter } from "@vigie/service-kit/http/rate-limit";
import { test } from "vitest";
import { NOW_MS, post, testEdge } from "../../test-edge.ts";

test("items of a batch count singly", async () => {
  // Given a rate of 10 a minute
  const limiter = new LocalRateLimiter({ clock: () => NOW_MS });
  const { verifier } = testEdge();
  const rate = { perMinute: 10, burst: 10 };
  const edge = testEdge({ auth: { verifier, limiter, rates: { service: rate, user: rate } } });
  const batch = (count: number) =>
    Array.from({ length: count }, () => ({ type: "login", event: sampleLogin }));
  // When 8 items come, then 3
  const first = await post(edge, "/v1/events", { items: batch(8) });
  const second = await post(edge, "/v1/events", { items: batch(3) });
  // Then the second batch is refused whole
  assert.equal(first.statusCode, 202, first.body);
  assert.equal(second.statusCode, 429);
  assert.equal(second.json().code, "VIG_RATE_LIMITED");
  assert.equal(edge.output.produced.length, 8);
});
