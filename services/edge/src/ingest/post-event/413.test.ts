import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { post, testEdge } from "../../test-edge.ts";

test("a body over the limit is refused and nothing is produced", async () => {
  // Given an edge that takes bodies up to 1 KiB
  const edge = testEdge({ bodyMaxBytes: 1_024 });
  // When a service posts 2 KiB
  const body = { ...sampleLogin, source: "x".repeat(2_048) };
  const response = await post(edge, "/v1/events/login", body);
  // Then it gets a stable code, and no event exists
  assert.equal(response.statusCode, 413);
  assert.equal(response.json().code, "VIG_BODY_TOO_LARGE");
  assert.equal(response.json().detail, "body exceeds 1024 bytes");
  assert.deepEqual(edge.output.produced, []);
});
