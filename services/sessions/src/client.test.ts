import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { createClientParser, parseClient } from "./client.ts";

const examples: [agent: string, client: Readonly<Record<string, string>>][] = [
  [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    { browser: "Chrome", browser_version: "126.0.0.0", os: "macOS", device_type: "desktop" },
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    { browser: "Safari", browser_version: "17.5", os: "iOS", device_type: "mobile" },
  ],
  ["molam-app", {}],
  ["", {}],
];

test.each(examples)("SES-10: %s", (agent, client) => {
  assert.deepEqual(parseClient(agent), client);
});

test("whatever a client sends, there is an answer, of texts", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 1_024, unit: "binary" }), (agent) => {
      for (const value of Object.values(parseClient(agent))) assert.equal(typeof value, "string");
    }),
  );
});

test("the newest results are remembered, the oldest make room", () => {
  const parse = createClientParser(2);
  const first = parse("Chrome/1.0");
  assert.equal(parse("Chrome/1.0"), first);
  parse("Chrome/2.0");
  parse("Chrome/3.0");
  assert.notEqual(parse("Chrome/1.0"), first);
  assert.deepEqual(parse("Chrome/1.0"), first);
});
