import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { post, testEdge } from "../../test-edge.ts";

test("a bug of ours is answered without its insides, and logged without what was sent", async () => {
  // Given an output that fails with a text that holds personal data
  const logged: object[] = [];
  const log = { debug() {}, info() {}, warn() {}, fatal() {} };
  const error = (fields: object, event: string) => logged.push({ ...fields, event });
  const edge = testEdge({
    log: { ...log, error },
    output: {
      publish: async () => {
        throw new TypeError("cannot read 41.82.0.17 of usr_00012345");
      },
      close: async () => {},
    },
  });
  // When an event is posted
  const response = await post(edge, "/v1/events/login", sampleLogin);
  // Then the answer names the request id only, under which the log has the place of the bug
  const problem = response.json();
  assert.equal(response.statusCode, 500);
  assert.equal(problem.code, "VIG_INTERNAL");
  assert.ok(!response.body.includes("41.82"));
  const [line] = logged as { requestId: string; name: string; frames: string[]; event: string }[];
  assert.equal(line?.event, "request_failed");
  assert.equal(line?.requestId, problem.request_id);
  assert.equal(line?.name, "TypeError");
  assert.match(line?.frames[0] ?? "", /500\.test\.ts/);
  assert.ok(!JSON.stringify(logged).includes("41.82"));
});
