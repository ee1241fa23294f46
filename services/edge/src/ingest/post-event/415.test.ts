import assert from "node:assert/strict";
import { test } from "vitest";
import { post, testEdge } from "../../test-edge.ts";

test.each(["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"])(
  "%s is refused",
  async (type) => {
    const edge = testEdge();
    const headers = { "content-type": type };
    const response = await post(edge, "/v1/events/login", "a=b", { headers });
    assert.equal(response.statusCode, 415, response.body);
    assert.equal(response.json().code, "VIG_MEDIA_TYPE");
    assert.deepEqual(edge.output.produced, []);
  },
);

test("a compressed body is refused: its length would say nothing of what it holds", async () => {
  const edge = testEdge();
  const headers = { "content-encoding": "gzip" };
  const response = await post(edge, "/v1/events/login", "{}", { headers });
  assert.equal(response.statusCode, 415, response.body);
  assert.equal(response.json().code, "VIG_MEDIA_TYPE");
});
