import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { post, testEdge } from "../../test-edge.ts";

test("with a full buffer a caller is told to come back", async () => {
  // Given a broker that does not answer and a buffer of 4 KiB
  const edge = testEdge();
  edge.output.answer(false);
  const sent = Array.from({ length: 20 }, () => post(edge, "/v1/events/login", sampleLogin));
  // When more comes than fits
  const refused = await Promise.race(sent);
  assert.equal(refused.statusCode, 503, refused.body);
  assert.equal(refused.json().code, "VIG_BUFFER_FULL");
  assert.equal(refused.headers["retry-after"], "2");
  // Then what was taken is acknowledged once the broker is back, and nothing else was produced
  edge.output.answer(true);
  const statuses = (await Promise.all(sent)).map(({ statusCode }) => statusCode);
  const accepted = statuses.filter((status) => status === 202).length;
  assert.equal(edge.output.produced.length, accepted);
  assert.equal(statuses.filter((status) => status === 503).length, 20 - accepted);
});

test("no 202 without an acknowledgement: the broker is away", async () => {
  const edge = testEdge();
  edge.output.answer(false);
  const sent = post(edge, "/v1/events/login", sampleLogin);
  const held = await Promise.race([sent, new Promise((resolve) => setImmediate(resolve, "held"))]);
  assert.equal(held, "held");
  while (edge.output.bufferedBytes === 0) await new Promise(setImmediate);
  edge.output.giveUp();
  const response = await sent;
  assert.equal(response.statusCode, 503);
  assert.equal(response.json().code, "VIG_BROKER_AWAY");
  assert.equal(response.headers["retry-after"], "2");
  assert.deepEqual(edge.output.produced, []);
});

test("before the registry has answered nothing can be encoded", async () => {
  const edge = testEdge({ isReady: () => false });
  const response = await post(edge, "/v1/events/login", sampleLogin);
  assert.equal(response.statusCode, 503);
  assert.equal(response.json().code, "VIG_REGISTRY_AWAY");
});
