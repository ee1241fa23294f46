import assert from "node:assert/strict";
import { test } from "vitest";
import { testEdge } from "../../test-edge.ts";

test.each(["GET", "PUT", "DELETE", "PATCH"] as const)(
  "%s is answered with Allow",
  async (method) => {
    const { app } = testEdge();
    const response = await app.inject({ method, url: "/v1/events/login?x=1" });
    assert.equal(response.statusCode, 405);
    assert.equal(response.headers.allow, "POST");
    assert.equal(response.json().code, "VIG_METHOD_NOT_ALLOWED");
  },
);
