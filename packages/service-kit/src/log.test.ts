import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { test } from "vitest";
import { createLogger } from "./log.ts";
import { REDACTED, scrub } from "./scrub.ts";

function recordingLogger() {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) };
  return { lines, log: createLogger("edge", { destination }) };
}

test("a line is one JSON object with level, time, service, event and fields", () => {
  const { lines, log } = recordingLogger();
  log.info({ partition: 3, tenantId: "molam-sn" }, "task_started");
  const { time, ...rest } = lines[0] ?? {};
  assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
  const expected = { level: "info", service: "edge", partition: 3, tenantId: "molam-sn" };
  assert.deepEqual(rest, { ...expected, event: "task_started" });
});

test("PRV-12: personal data is taken out of fields at any depth", () => {
  const { lines, log } = recordingLogger();
  const network = { ip: "41.82.0.1", user_agent: "Firefox", "X-Forwarded-For": "41.82.0.1" };
  const user = { user_id: "u-1", email: "a@b.sn", phone: "+221771234567", token: "t0k" };
  const headers = { authorization: "Bearer abc", cookie: "sid=1" };
  log.warn({ a: [{ b: { network, user } }], headers, userId: "u-1", sub: "u-1" }, "odd");
  const text = JSON.stringify(lines);
  for (const leak of ["41.82", "Firefox", "u-1", "a@b.sn", "77123", "t0k", "abc", "sid=1"]) {
    assert.ok(!text.includes(leak), `${leak} is in ${text}`);
  }
  assert.ok(text.includes(REDACTED));
});

test("PRV-12: personal data is taken out of child loggers' fields", () => {
  const { lines, log } = recordingLogger();
  log.child({ userId: "u-1", partition: 2 }).info({}, "begun");
  assert.equal(lines[0]?.userId, REDACTED);
  assert.equal(lines[0]?.partition, 2);
});

test("PRV-12: addresses, tokens and passwords are taken out of text and errors", () => {
  const { lines, log } = recordingLogger();
  const cause = new Error("no a.diop@molam.sn at postgres://vigie:hunter2@db/x");
  const err = new VigError("VIG_DATABASE_AWAY", { why: "call +221 77 123 45 67" }, { cause });
  log.error({ err, note: "Bearer s3cr3t then eyJhbGciOi.eyJzdWIi.c2ln" }, "failed");
  const text = JSON.stringify(lines);
  for (const leak of ["a.diop", "hunter2", "77 123", "s3cr3t", "eyJ"]) {
    assert.ok(!text.includes(leak), `${leak} is in ${text}`);
  }
  assert.match(text, /VIG_DATABASE_AWAY/);
  assert.match(text, /"type":"VigError"/);
});

test("what is not personal stays: broker addresses, counts, tenants", () => {
  const fields = { why: "connect ECONNREFUSED 10.0.0.3:9092", offset: 17, tenantId: "molam-sn" };
  assert.deepEqual(scrub(fields), fields);
});

test("cycles, deep nesting and bytes end", () => {
  const cycle: Record<string, unknown> = { bytes: Buffer.from("secret"), n: 1n };
  cycle.self = cycle;
  assert.match(JSON.stringify(scrub(cycle)), /\[deep\]/);
  assert.doesNotMatch(JSON.stringify(scrub(cycle)), /secret/);
});

test("PRV-12: an error logged by itself is scrubbed too", () => {
  const { lines, log } = recordingLogger();
  log.error(new Error("no user a.diop@molam.sn"));
  assert.equal(lines[0]?.event, "error");
  assert.doesNotMatch(JSON.stringify(lines), /a\.diop/);
});
