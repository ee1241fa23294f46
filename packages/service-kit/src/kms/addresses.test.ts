import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { isIPv6 } from "node:net";
import fc from "fast-check";
import { test } from "vitest";
import { addressUnder, canonicalAddress, ipHash, ipPrefix, isAddressOf } from "./addresses.ts";
import { derivedKeys } from "./derived-keys.ts";

const T0 = Date.UTC(2026, 0, 5, 10);
const DAY = 86_400_000;
const masters = [
  { keyId: "k1", activeFromMs: T0, secret: Buffer.alloc(32, 1) },
  { keyId: "k2", activeFromMs: T0 + 10 * DAY, secret: Buffer.alloc(32, 2) },
];
const keysAt = (atMs: number) => derivedKeys(masters, () => atMs);

const examples: [given: string, canonical: string | null, prefix: string | null][] = [
  ["41.82.17.203", "41.82.17.203", "41.82.17.0/24"],
  [" 41.82.17.203 ", "41.82.17.203", "41.82.17.0/24"],
  ["::ffff:41.82.17.203", "41.82.17.203", "41.82.17.0/24"],
  ["::FFFF:2952:11cb", "41.82.17.203", "41.82.17.0/24"],
  ["2001:0DB8:0001:0002:0000:0000:0000:0001", "2001:db8:1:2::1", "2001:db8:1::/48"],
  ["2001:db8::1:0:0:1", "2001:db8::1:0:0:1", "2001:db8::/48"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1", "2001::/48"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "2001:db8::/48"],
  ["::1", "::1", "::/48"],
  ["::", "::", "::/48"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221", "64:ff9b::/48"],
  ["fe80::1%eth0", "fe80::1", "fe80::/48"],
  ["", null, null],
  ["41.82.17", null, null],
  ["41.82.17.256", null, null],
  ["041.82.17.20", null, null],
  ["[::1]", null, null],
  ["1:2:3:4:5:6:7:8:9", null, null],
  ["10.0.0.1, 10.0.0.2", null, null],
  ["unknown", null, null],
  ["x".repeat(10_000), null, null],
];

test.each(examples)("PRV-02: %s is %s, its prefix %s", (given, canonical, prefix) => {
  assert.equal(canonicalAddress(given), canonical);
  assert.equal(ipPrefix(given), prefix);
});

test("every text form of an IPv6 address has one canonical form, as URLs have it", () => {
  const word = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(
    fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), (words) => {
      const long = words.map((each) => each.toString(16).padStart(4, "0").toUpperCase()).join(":");
      fc.pre(!long.startsWith("0000:0000:0000:0000:0000:FFFF"));
      const canonical = canonicalAddress(long);
      assert.equal(`[${canonical}]`, new URL(`http://[${long}]/`).hostname);
      assert.equal(canonicalAddress(String(canonical)), canonical);
    }),
  );
});

test("garbage never throws, and a prefix is never the address", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (text) => {
      const prefix = ipPrefix(text);
      assert.equal(prefix === null, canonicalAddress(text) === null);
      if (prefix !== null) assert.match(prefix, isIPv6(text) ? /\/(48|24)$/ : /\.0\/24$/);
    }),
  );
});

test("PRV-03: an address is hashed under its tenant's key, 64 hex digits with the key's id", () => {
  const keys = keysAt(T0);
  const hash = ipHash(keys, "molam-sn", "41.82.17.203");
  assert.match(hash?.hash ?? "", /^[0-9a-f]{64}$/);
  assert.equal(hash?.keyId, "k1");
  assert.deepEqual(ipHash(keys, "molam-sn", "::ffff:41.82.17.203"), hash);
  assert.notEqual(ipHash(keys, "molam-ci", "41.82.17.203")?.hash, hash?.hash);
  assert.equal(ipHash(keys, "molam-sn", "garbage"), null);
});

test("the hash of an address is HMAC-SHA-256, whatever was hashed before", () => {
  const keys = [1, 2].map((fill) => ({ keyId: `k${fill}`, key: Buffer.alloc(32, fill) }));
  const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((ip) => canonicalAddress(ip) ?? "");
  fc.assert(
    fc.property(address, fc.constantFrom(...keys), (canonical, key) => {
      const expected = createHmac("sha256", key.key).update(canonical).digest("hex");
      assert.equal(addressUnder(key, canonical), expected);
    }),
  );
});

test("a hash under the replaced key compares for 30 days, then no more", () => {
  const stored = ipHash(keysAt(T0), "molam-sn", "41.82.17.203");
  assert.ok(stored);
  const same = (atMs: number) => isAddressOf(keysAt(atMs), "molam-sn", "41.82.17.203", stored);
  assert.ok(same(T0));
  assert.ok(same(T0 + 11 * DAY));
  assert.ok(same(T0 + 40 * DAY - 1));
  assert.ok(!same(T0 + 40 * DAY));
  assert.ok(!isAddressOf(keysAt(T0), "molam-sn", "41.82.17.204", stored));
  assert.ok(!isAddressOf(keysAt(T0), "molam-ci", "41.82.17.203", stored));
});
