import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { bearer, testEdge } from "../../test-edge.ts";

test("a valid login is answered with where the broker put it", async () => {
  const { app, output, codecs } = testEdge();
  const response = await app.inject({
    method: "POST",
    url: "/v1/events/login",
    headers: await bearer(),
    payload: sampleLogin,
  });
  assert.equal(response.statusCode, 202, response.body);
  console.log(response.body, response.headers);
  const [record] = output.produced;
  assert.ok(record);
  console.log(codecs.decoder("id.login").decode(record.value));
});
