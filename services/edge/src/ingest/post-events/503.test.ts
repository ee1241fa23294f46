import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { post, testEdge } from "../../test-edge.ts";

test("when nothing of a batch gets through, the whole request may be sent again", async () => {
  const edge = testEdge();
  edge.output.answer(false);
  const items = [1, 2].map(() => ({ type: "login", event: sampleLogin }));
  const sent = post(edge, "/v1/events", { items });
  while (edge.output.bufferedBytes === 0) await new Promise(setImmediate);
  edge.output.giveUp();
  const response = await sent;
  assert.equal(response.statusCode, 503);
  assert.equal(response.json().code, "VIG_BROKER_AWAY");
  assert.equal(response.headers["retry-after"], "2");
  assert.deepEqual(edge.output.produced, []);
});
