import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { isPublicAddress, plainAddress } from "./address.ts";

describe("addresses that an outbound call may reach", () => {
  test.each(["1.1.1.1", "41.82.0.1", "196.200.80.7", "2a00:1450:4007:80e::2004", "2c0f:fb50::1"])(
    "%s is public",
    (address) => assert.equal(isPublicAddress(address), true),
  );

  test.each([
    "127.0.0.1",
    "10.1.2.3",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:7f00:1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "localhost",
    "",
  ])("%s is not", (address) => assert.equal(isPublicAddress(address), false));

  test("a mapped IPv4 address is shown as IPv4", () => {
    assert.equal(plainAddress("::ffff:41.82.0.1"), "41.82.0.1");
    assert.equal(plainAddress("2c0f:fb50::1"), "2c0f:fb50::1");
  });
});
