import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { NOW_MS, testEdge, token } from "../../test-edge.ts";

const nowS = NOW_MS / 1_000;

async function call(authorization: string | undefined) {
  const edge = testEdge();
  const headers = authorization === undefined ? {} : { authorization };
  const request = { method: "POST", url: "/v1/events/login", headers } as const;
  const response = await edge.app.inject({ ...request, payload: sampleLogin });
  assert.deepEqual(edge.output.produced, []);
  assert.equal(response.statusCode, 401, response.body);
  assert.match(String(response.headers["www-authenticate"]), /^Bearer/);
  return response.json();
}

test.each([undefined, "", "Basic YTpi", "Bearer", "Bearer   "])(
  "SEC-01: without a bearer token (%s) nothing is taken",
  async (authorization) => {
    assert.equal((await call(authorization)).code, "VIG_TOKEN_MISSING");
  },
);

test.each([
  ["a refresh token", { type: "refresh" }],
  ["a token from the middle of a login", { type: "mfa_session" }],
  ["a token of no type", { type: undefined }],
  ["another audience", { aud: "other" }],
  ["another issuer", { iss: "https://evil.example" }],
  ["no expiry", { exp: undefined }],
  ["no time of issue", { iat: undefined }],
  ["issued in the future", { iat: nowS + 60 }],
  ["not valid yet", { nbf: nowS + 60 }],
  ["no tenant", { tenant_id: undefined }],
  ["a tenant with a bad character", { tenant_id: "a|b" }],
  ["no subject", { sub: undefined }],
])("SEC-03, SEC-04: %s is refused", async (_name, claims) => {
  assert.equal((await call(`Bearer ${await token(claims)}`)).code, "VIG_TOKEN_INVALID");
});

test("an expired token says so", async () => {
  const expired = await token({ exp: nowS - 6 });
  assert.equal((await call(`Bearer ${expired}`)).code, "VIG_TOKEN_EXPIRED");
});

test("a changed token is refused, and its text is not in the answer", async () => {
  const sound = await token();
  const [header, , signature] = sound.split(".");
  const claims = Buffer.from(JSON.stringify({ sub: "root", type: "access" })).toString("base64url");
  const problem = await call(`Bearer ${header}.${claims}.${signature}`);
  assert.equal(problem.code, "VIG_TOKEN_INVALID");
  assert.ok(!JSON.stringify(problem).includes(claims));
});
