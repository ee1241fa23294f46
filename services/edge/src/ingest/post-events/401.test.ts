import assert from "node:assert/strict";
import { test } from "vitest";
import { testEdge } from "../../test-edge.ts";

test("SEC-01: a batch without a token is refused", async () => {
  const edge = testEdge();
  const response = await edge.app.inject({ method: "POST", url: "/v1/events", payload: [] });
  assert.equal(response.statusCode, 401);
  assert.equal(response.json().code, "VIG_TOKEN_MISSING");
});
