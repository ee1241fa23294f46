import assert from "node:assert/strict";
import { sampleGeo, sampleHeartbeat, sampleLogin, sampleMfa } from "@vigie/schemas/samples";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, test } from "vitest";
import { post, testEdge } from "./test-edge.ts";

describe("SEC-12: the description of the API", () => {
  const samples = {
    login: sampleLogin,
    heartbeat: sampleHeartbeat,
    mfa: sampleMfa,
    geo: sampleGeo,
  };

  test("has every ingest route with its body, answers and security", async () => {
    const { paths } = (await testEdge().app.inject("/docs/json")).json();
    for (const [type, sample] of Object.entries(samples)) {
      const route = paths[`/v1/events/${type}`].post;
      const statuses = ["202", "400", "401", "403", "413", "415", "422", "429", "500", "503"];
      assert.deepEqual(Object.keys(route.responses), statuses);
      assert.deepEqual(route.security, [{ bearer: [] }]);
      const { schema } = route.requestBody.content["application/json"];
      const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
      assert.ok(validate(sample), JSON.stringify(validate.errors));
      assert.ok(validate({ ...sample, occurred_at: "2026-01-05T10:00:00Z" }));
      assert.ok(!validate({ ...sample, surprise: 1 }));
    }
    assert.ok(paths["/v1/events"].post.responses["207"]);
    assert.ok(paths["/api/id/sessions/heartbeat"].post);
  });

  test("a problem is described as what it is", async () => {
    const { paths } = (await testEdge().app.inject("/docs/json")).json();
    const { content } = paths["/v1/events/login"].post.responses["400"];
    const { schema } = content["application/problem+json"];
    const problem = (await post(testEdge(), "/v1/events/login", {})).json();
    const validate = new Ajv2020({ strict: false }).compile(schema);
    assert.ok(validate(problem), JSON.stringify(validate.errors));
  });
});

test("a request line names tenant and application, and the code of a problem", async () => {
  const edge = testEdge();
  await post(edge, "/v1/events/login", sampleLogin);
  await post(edge, "/v1/events/login", { ...sampleLogin, channel: "FAX" });
  await edge.app.close();
  const [accepted, refused] = edge.lines.map((line) => JSON.parse(line));
  const who = { tenant: sampleLogin.tenant_id, client: "auth-gateway" };
  assert.partialDeepStrictEqual(accepted, { status: 202, route: "/v1/events/login", ...who });
  assert.partialDeepStrictEqual(refused, { status: 400, code: "VIG_BODY_INVALID", ...who });
  assert.ok(!edge.lines.join("").includes(sampleLogin.user_id));
});

test("a person is not named in a request line", async () => {
  const edge = testEdge();
  const claims = { sub: "u-77", sid: "s-99" };
  await post(edge, "/v1/events/heartbeat", { channel: "WEB" }, { claims });
  await edge.app.close();
  const [line] = edge.lines;
  assert.ok(
    line && !line.includes("u-77") && !line.includes("s-99") && !("client" in JSON.parse(line)),
  );
});
