import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { post, testEdge } from "../../test-edge.ts";

const batch = (count: number) =>
  Array.from({ length: count }, () => ({ type: "login", event: sampleLogin }));

test("more than 1,000 items are refused whole", async () => {
  const edge = testEdge({ batchBodyMaxBytes: 4_194_304 });
  const response = await post(edge, "/v1/events", { items: batch(1_001) });
  assert.equal(response.statusCode, 413);
  assert.equal(response.json().code, "VIG_BATCH_TOO_LARGE");
  assert.equal(response.json().detail, "at most 1000 items a request, got 1001");
  assert.deepEqual(edge.output.produced, []);
});

test("a body over the limit of batches is refused", async () => {
  const edge = testEdge({ batchBodyMaxBytes: 2_048 });
  const response = await post(edge, "/v1/events", { items: batch(3) });
  assert.equal(response.statusCode, 413);
  assert.equal(response.json().code, "VIG_BODY_TOO_LARGE");
  assert.equal(response.json().detail, "body exceeds 2048 bytes");
});
