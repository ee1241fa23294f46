import assert from "node:assert/strict";
import { test } from "vitest";
import { limitKeyOf as keyOf } from "./address-limit.ts";
import { testKeys } from "./test-geo.ts";

const limitKeyOf = (ip: string): string => keyOf(ip, testKeys);

test("an address is limited under a name that does not show it", () => {
  const name = limitKeyOf("198.51.100.7");
  assert.ok(!name.includes("198.51"));
  assert.equal(name, limitKeyOf("::ffff:198.51.100.7"));
  assert.notEqual(name, limitKeyOf("198.51.100.8"));
});

test("all addresses of one /64 are one caller, however they are written", () => {
  const name = limitKeyOf("2001:db8:1:2:3:4:5:6");
  assert.equal(name, limitKeyOf("2001:0db8:1:2::1"));
  assert.notEqual(name, limitKeyOf("2001:db8:1:3::1"));
  assert.equal(limitKeyOf("2001:db8::1"), limitKeyOf("2001:db8:0:0:ffff::"));
  assert.equal(limitKeyOf("::1"), limitKeyOf("0:0:0:0:9::"));
});

test("what is no address is one caller", () => {
  assert.equal(limitKeyOf("unknown"), limitKeyOf("<script>"));
});
