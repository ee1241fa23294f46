import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { post, testEdge } from "../../test-edge.ts";

test("a batch without the scope is refused whole", async () => {
  const edge = testEdge();
  const items = [{ type: "login", event: sampleLogin }];
  const response = await post(edge, "/v1/events", { items }, { claims: { scope: "id:audit" } });
  assert.equal(response.statusCode, 403);
  assert.equal(response.json().code, "VIG_SCOPE_MISSING");
  assert.deepEqual(edge.output.produced, []);
});
