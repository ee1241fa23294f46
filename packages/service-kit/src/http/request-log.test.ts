import assert from "node:assert/strict";
import { test } from "vitest";
import { createRequestLog, type RequestLine } from "./request-log.ts";

const line: RequestLine = {
  requestId: "a1-1",
  method: "POST",
  route: "/v1/events/:type",
  status: 202,
  ms: 1.23456,
  tenant: "acme",
  client: 'app "x"',
  code: null,
};

function logAt(startMs: number) {
  let nowMs = startMs;
  const written: string[] = [];
  const sink = { write: (line: string) => void written.push(line), flush: async () => {} };
  const log = createRequestLog({ service: "edge", clock: () => nowMs, sink });
  return { log, written, pass: (ms: number) => (nowMs += ms) };
}

test("a line is one JSON object in the form of the service's other lines", () => {
  const { log, written } = logAt(1_767_607_200_007);
  log.write(line);
  assert.equal(written.length, 1);
  assert.ok(written[0]?.endsWith("\n"));
  assert.deepEqual(JSON.parse(written[0] ?? ""), {
    level: "info",
    time: "2026-01-05T10:00:00.007Z",
    service: "edge",
    requestId: "a1-1",
    method: "POST",
    route: "/v1/events/:type",
    status: 202,
    ms: 1.235,
    tenant: "acme",
    client: 'app "x"',
    event: "request",
  });
});

test("the code of a problem is said, who is not known is not", () => {
  const { log, written } = logAt(1_767_607_200_000);
  log.write({ ...line, tenant: null, client: null, status: 401, code: "VIG_TOKEN_MISSING" });
  const said = JSON.parse(written[0] ?? "");
  assert.equal(said.code, "VIG_TOKEN_MISSING");
  assert.ok(!("tenant" in said) && !("client" in said));
});

test("the time moves on over seconds", () => {
  const { log, written, pass } = logAt(1_767_607_200_999);
  log.write(line);
  pass(1);
  log.write(line);
  const times = written.map((text) => JSON.parse(text).time);
  assert.deepEqual(times, ["2026-01-05T10:00:00.999Z", "2026-01-05T10:00:01.000Z"]);
});
