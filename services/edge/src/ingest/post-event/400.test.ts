import assert from "node:assert/strict";
import { sampleLogin } from "@vigie/schemas/samples";
import { test } from "vitest";
import { NOW_MS, post, testEdge } from "../../test-edge.ts";

const LOGIN_URL = "/v1/events/login";

test("every fault is named with its path, and nothing is produced", async () => {
  const edge = testEdge();
  const body = {
    ...sampleLogin,
    kind: "UNKNOWN",
    channel: 7,
    surprise: true,
    location: { source: "GPS", lat: "north" },
  };
  const response = await post(edge, LOGIN_URL, body);
  const problem = response.json();
  assert.equal(response.statusCode, 400);
  assert.equal(response.headers["content-type"], "application/problem+json");
  assert.equal(problem.code, "VIG_BODY_INVALID");
  assert.equal(problem.type, "urn:vigie:problem:VIG_BODY_INVALID");
  assert.equal(problem.title, "Body invalid");
  assert.equal(problem.status, 400);
  assert.equal(problem.instance, `urn:vigie:request:${problem.request_id}`);
  assert.equal(response.headers["x-request-id"], problem.request_id);
  const paths = problem.errors.map(({ path }: { path: string }) => path).sort();
  assert.deepEqual(paths, ["channel", "kind", "location.lat", "surprise"]);
  assert.deepEqual(edge.output.produced, []);
});

test.each([
  ["location.lat", { location: { source: "GPS", lat: 100, lon: 0 } }],
  ["location.country", { location: { source: "IP", country: "sn" } }],
  ["sim.mcc", { sim: { mcc: 7 } }],
  ["device.fingerprint.similarity", { device: { fingerprint: { similarity: 1.1 } } }],
  ["device.fingerprint.signals.os", { device: { fingerprint: { signals: { os: 1 } } } }],
  ["user_id", { user_id: "" }],
  ["user_id", { user_id: "a|b" }],
  ["user_id", { user_id: "u".repeat(129) }],
  ["user_id", { user_id: undefined }],
  ["session_id", { session_id: null }],
  ["roles", { roles: Array.from({ length: 33 }, () => "r") }],
  ["roles.0", { roles: [1] }],
  ["occurred_at", { occurred_at: NOW_MS + 300_001 }],
  ["occurred_at", { occurred_at: NOW_MS - 30 * 86_400_000 - 1 }],
  ["occurred_at", { occurred_at: "yesterday" }],
  ["occurred_at", { occurred_at: "2026-02-31T10:00:00Z" }],
  ["occurred_at", { occurred_at: "2026-01-05T10:00:00" }],
  ["occurred_at", { occurred_at: 1.5 }],
  ["absolute_expires_at", { absolute_expires_at: "never" }],
])("%s out of range is named: %j", async (path, change) => {
  const edge = testEdge();
  const response = await post(edge, LOGIN_URL, { ...sampleLogin, ...change });
  assert.equal(response.statusCode, 400, response.body);
  const { errors, detail } = response.json();
  assert.deepEqual(
    errors.map((fault: { path: string }) => fault.path),
    [path],
  );
  assert.ok(detail.startsWith(`${path}: `), detail);
  assert.deepEqual(edge.output.produced, []);
});

test.each([
  ["no JSON", "{"],
  ["an empty body", ""],
  ["an array", "[]"],
  ["null", "null"],
  ["a prototype", '{"__proto__": {"user_id": "u"}}'],
])("%s is refused", async (_name, payload) => {
  const edge = testEdge();
  const response = await post(edge, LOGIN_URL, payload);
  assert.equal(response.statusCode, 400, response.body);
  assert.equal(response.json().code, "VIG_BODY_INVALID");
  assert.deepEqual(edge.output.produced, []);
});

test.each([
  ["user_id", { user_id: "\ud800" }],
  ["session_id", { session_id: "s-\udfff" }],
  ["location.city", { location: { source: "GPS", lat: 1, lon: 1, city: "\ud83d" } }],
])("half a character in %s is refused: it would be another id in Kafka", async (path, change) => {
  const edge = testEdge();
  const response = await post(edge, LOGIN_URL, { ...sampleLogin, ...change });
  assert.equal(response.statusCode, 400, response.body);
  assert.equal(response.json().detail, `${path}: is not well-formed Unicode`);
  assert.deepEqual(edge.output.produced, []);
});

test("an answer names 50 faults at most", async () => {
  const signals = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`s${index}`, 1]));
  const body = { ...sampleLogin, device: { fingerprint: { signals } } };
  const response = await post(testEdge(), LOGIN_URL, body);
  assert.equal(response.json().errors.length, 50);
});

test("a number beyond all bounds is no number", async () => {
  const body = JSON.stringify({ ...sampleLogin, location: { source: "GPS", lat: 5, lon: 0 } });
  const response = await post(testEdge(), LOGIN_URL, body.replace('"lat":5', '"lat":1e999'));
  assert.equal(response.statusCode, 400, response.body);
  assert.equal(response.json().errors[0].path, "location.lat");
});
