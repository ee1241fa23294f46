import assert from "node:assert/strict";
import { sampleHeartbeat, sampleLogin, sampleMfa } from "@vigie/schemas/samples";
import { test } from "vitest";
import { person, post, producedValues, testEdge } from "../../test-edge.ts";

test("the good items are produced, the others say what is wrong with them", async () => {
  const edge = testEdge();
  const items = [
    { type: "login", event: sampleLogin },
    { type: "login", event: { ...sampleLogin, channel: "FAX" } },
    { type: "login", event: { ...sampleLogin, tenant_id: "molam-ci" } },
    { type: "logout", event: sampleLogin },
    { type: "heartbeat" },
    null,
    { type: "heartbeat", event: sampleHeartbeat },
  ];
  const response = await post(edge, "/v1/events", { items });
  assert.equal(response.statusCode, 207, response.body);
  const answer = response.json();
  assert.equal(answer.accepted, 2);
  assert.equal(answer.refused, 5);
  const statuses = answer.items.map(({ status }: { status: number }) => status);
  assert.deepEqual(statuses, [202, 400, 403, 400, 400, 400, 202]);
  assert.equal(answer.items[1].code, "VIG_BODY_INVALID");
  assert.deepEqual(answer.items[1].errors, [
    { path: "channel", why: "is none of MOBILE, WEB, USSD, API" },
  ]);
  assert.equal(answer.items[2].code, "VIG_TENANT_MISMATCH");
  const ids = producedValues(edge).map((value) => value.event_id);
  assert.deepEqual(ids, [sampleLogin.event_id, sampleHeartbeat.event_id]);
  const faults = edge.audit.refusals.map(({ payload }) => payload.fault);
  assert.deepEqual(faults, ["VIG_TENANT_MISMATCH"], "SUB-01: what was not for them is on record");
});

test("a person's batch: own heartbeats only", async () => {
  const edge = testEdge();
  const items = [
    { type: "heartbeat", event: { channel: "MOBILE" } },
    { type: "mfa", event: sampleMfa },
  ];
  const response = await post(edge, "/v1/events", { items }, { claims: person });
  const codes = response.json().items.map(({ code }: { code?: string }) => code);
  assert.deepEqual(codes, [undefined, "VIG_SERVICE_ONLY"]);
});

test("what no longer fits the buffer is told item by item, with an id to send again", async () => {
  // Given a broker that does not answer and room for some of twenty events
  const edge = testEdge();
  edge.output.answer(false);
  const items = Array.from({ length: 20 }, () => ({ type: "login", event: sampleLogin }));
  const sent = post(edge, "/v1/events", { items });
  while (edge.output.bufferedBytes === 0) await new Promise(setImmediate);
  // When it answers again
  edge.output.answer(true);
  const response = await sent;
  // Then exactly the acknowledged ones are produced
  assert.equal(response.statusCode, 207);
  const { accepted, items: results } = response.json();
  assert.equal(edge.output.produced.length, accepted);
  const refused = results.filter(({ status }: { status: number }) => status === 503);
  assert.equal(refused.length, 20 - accepted);
  assert.equal(refused[0].code, "VIG_BUFFER_FULL");
  assert.equal(refused[0].event_id, sampleLogin.event_id);
});
