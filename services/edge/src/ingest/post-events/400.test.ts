import assert from "node:assert/strict";
import { test } from "vitest";
import { post, testEdge } from "../../test-edge.ts";

test.each([
  ["an object without items", {}],
  ["items that are no list", { items: {} }],
  ["no items", { items: [] }],
  ["an empty list", []],
])("%s is refused", async (_name, body) => {
  const edge = testEdge();
  const response = await post(edge, "/v1/events", body);
  assert.equal(response.statusCode, 400, response.body);
  assert.equal(response.json().code, "VIG_BODY_INVALID");
  assert.deepEqual(edge.output.produced, []);
});
