import assert from "node:assert/strict";
import { sampleGeo, sampleHeartbeat, sampleLogin, sampleMfa } from "@vigie/schemas/samples";
import { test } from "vitest";
import { person, post, testEdge } from "../../test-edge.ts";

interface Case {
  readonly url?: string;
  readonly body: object;
  readonly claims?: Record<string, unknown>;
  readonly headers?: Record<string, string>;
}

const other = { user_id: "somebody-else", channel: "WEB" };

const cases: readonly (readonly [string, string, Case])[] = [
  ["without the scope", "VIG_SCOPE_MISSING", { body: sampleLogin, claims: { scope: "id:admin" } }],
  ["without any scope", "VIG_SCOPE_MISSING", { body: sampleLogin, claims: { scope: undefined } }],
  [
    "TEN-04: another tenant in the body",
    "VIG_TENANT_MISMATCH",
    { body: { ...sampleLogin, tenant_id: "molam-ci" } },
  ],
  [
    "CNF-08: another tenant in the header",
    "VIG_TENANT_MISMATCH",
    { body: sampleLogin, headers: { "x-tenant-id": "molam-ci" } },
  ],
  [
    "a person's token for another user",
    "VIG_USER_MISMATCH",
    { url: "/v1/events/heartbeat", body: other, claims: person },
  ],
  [
    "a person's token for another session",
    "VIG_SESSION_MISMATCH",
    { url: "/v1/events/heartbeat", body: { session_id: "s-2" }, claims: person },
  ],
  [
    "a person's heartbeat without a session in the token",
    "VIG_SESSION_MISMATCH",
    { url: "/v1/events/heartbeat", body: {}, claims: { ...person, sid: undefined } },
  ],
  ["a person's own login", "VIG_SERVICE_ONLY", { body: sampleLogin, claims: person }],
  [
    "a person's own second factor",
    "VIG_SERVICE_ONLY",
    { url: "/v1/events/mfa", body: sampleMfa, claims: person },
  ],
  [
    "a person's place under another user",
    "VIG_USER_MISMATCH",
    { url: "/v1/events/geo", body: { ...sampleGeo, user_id: "x" }, claims: person },
  ],
  [
    "a person's heartbeat with the session of the sample",
    "VIG_SESSION_MISMATCH",
    { url: "/v1/events/heartbeat", body: sampleHeartbeat, claims: person },
  ],
];

test.each(cases)("%s is refused as %s", async (_name, code, { url, body, claims, headers }) => {
  const edge = testEdge();
  const options = { ...(claims && { claims }), ...(headers && { headers }) };
  const response = await post(edge, url ?? "/v1/events/login", body, options);
  assert.equal(response.statusCode, 403, response.body);
  assert.equal(response.json().code, code);
  assert.deepEqual(edge.output.produced, []);
});
