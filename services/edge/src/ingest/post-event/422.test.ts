import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { post, testEdge } from "../../test-edge.ts";

test("an event that no reader would take is not produced: a record over 64 KiB", async () => {
  const edge = testEdge();
  const signals = { os: "x".repeat(70_000) };
  const body = { ...sampleLogin, device: { fingerprint: { signals } } };
  const response = await post(edge, "/v1/events/login", body);
  assert.equal(response.statusCode, 422, response.body);
  assert.equal(response.json().code, "VIG_RECORD_TOO_LARGE");
  assert.deepEqual(edge.output.produced, []);
});
