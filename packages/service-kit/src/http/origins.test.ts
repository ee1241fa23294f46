import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { originMatcher } from "./origins.ts";

describe("SEC-05, CNF-30: origins that browsers may call from", () => {
  const allows = originMatcher([
    "https://app.molam.example",
    "https://*.molam.sn",
    "http://localhost:3000",
  ]);

  test.each([
    ["https://app.molam.example", true],
    ["HTTPS://APP.MOLAM.EXAMPLE", true],
    ["https://pay.molam.sn", true],
    ["http://localhost:3000", true],
    ["https://a.b.molam.sn", false],
    ["https://molam.sn", false],
    ["https://.molam.sn", false],
    ["https://evilmolam.sn", false],
    ["https://pay.molamxsn", false],
    ["http://pay.molam.sn", false],
    ["https://pay.molam.sn:8443", false],
    ["https://pay.molam.sn.evil.example", false],
    ["null", false],
    ["", false],
  ])("%s: %s", (origin, allowed) => assert.equal(allows(origin), allowed));

  test("a request without an origin is no browser's cross-origin request", () =>
    assert.equal(allows(undefined), false));

  test("nothing outside one label below the wildcard fits", () => {
    fc.assert(
      fc.property(fc.webUrl({ validSchemes: ["https"] }), (url) => {
        const { origin, hostname } = new URL(url);
        const fits = /^[a-z0-9-]+\.molam\.sn$/.test(hostname);
        return originMatcher(["https://*.molam.sn"])(origin) === fits;
      }),
    );
  });
});
