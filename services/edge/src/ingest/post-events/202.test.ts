import assert from "node:assert/strict";
import { sampleGeo, sampleHeartbeat, sampleLogin, sampleMfa } from "@vigie/schemas/samples";
import { test } from "vitest";
import { post, producedValues, testEdge } from "../../test-edge.ts";

const items = [
  { type: "login", event: sampleLogin },
  { type: "heartbeat", event: sampleHeartbeat },
  { type: "mfa", event: sampleMfa },
  { type: "geo", event: sampleGeo },
];

test.each([
  ["under items", { items }],
  ["bare", items],
])("a batch %s: every item says where the broker put it, in order", async (_name, body) => {
  const edge = testEdge();
  const response = await post(edge, "/v1/events", body);
  assert.equal(response.statusCode, 202, response.body);
  const answer = response.json();
  assert.equal(answer.accepted, 4);
  assert.equal(answer.refused, 0);
  const said = answer.items.map(({ status, event_id, topic }: Record<string, unknown>) => ({
    status,
    event_id,
    topic,
  }));
  assert.deepEqual(
    said,
    items.map(({ type, event }) => ({
      status: 202,
      event_id: event.event_id,
      topic: `id.${type}`,
    })),
  );
  assert.equal(producedValues(edge).length, 4);
});

test("1,000 items are taken, and keep the order of each user", async () => {
  const edge = testEdge();
  const batch = Array.from({ length: 1_000 }, (_, index) => ({
    type: "login",
    event: { ...sampleLogin, user_id: `u-${index % 7}`, event_id: String(index) },
  }));
  const response = await post(edge, "/v1/events", { items: batch });
  assert.equal(response.statusCode, 202);
  assert.equal(response.json().accepted, 1_000);
  const ids = producedValues(edge)
    .filter((value) => value.user_id === "u-3")
    .map((value) => Number(value.event_id));
  assert.deepEqual(
    ids,
    [...ids].sort((a, b) => a - b),
  );
});
