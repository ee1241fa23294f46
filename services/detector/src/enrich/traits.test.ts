import { expect, test } from "vitest";
import { networkHash, type Traits, traitNames, traitsOf, unknownTraits } from "./traits.ts";
import { userAgentParser } from "./user-agent.ts";

const phone =
  "Mozilla/5.0 (Linux; Android 14; CPH2579) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.7444.48 Mobile Safari/537.36";
const userAgentOf = userAgentParser();
const traits = (ip: string, header: string) =>
  traitsOf({
    ip,
    address: { asn: 8346, country: "SN" },
    userAgent: header,
    client: userAgentOf(header),
  });
const differing = (a: Traits, b: Traits): readonly string[] =>
  traitNames.filter((_, i) => a[i] !== b[i]);

test("addresses of one network are alike: /24, and /48 of version 6", () => {
  expect(networkHash("41.82.7.1")).toBe(networkHash("41.82.7.254"));
  expect(networkHash("41.82.7.1")).not.toBe(networkHash("41.82.8.1"));
  expect(networkHash("::ffff:41.82.7.9")).toBe(networkHash("41.82.7.1"));
  expect(networkHash("2a01:e0a:9a5:1::7")).toBe(networkHash("2a01:e0a:9a5:ffff::1"));
  expect(networkHash("2a01:e0a:9a5::1")).not.toBe(networkHash("2a01:e0a:9a6::1"));
});

test("networks that follow each other have hashes of their own", () => {
  const hashes = Array.from({ length: 4_096 }, (_, i) => networkHash(`41.${i >> 8}.${i & 255}.1`));
  expect(new Set(hashes).size).toBe(hashes.length);
});

test("another version of the browser changes the header and the browser alone", () => {
  const newer = phone.replace("Chrome/142.0.7444.48", "Chrome/143.0.7499.40");
  expect(differing(traits("41.82.7.1", phone), traits("41.82.7.2", newer))).toEqual([
    "user_agent",
    "browser",
  ]);
});

test("what is not known counts as a value of its own", () => {
  const nothing = {
    ip: null,
    address: { asn: null, country: null },
    userAgent: null,
    client: null,
  };
  expect(traitsOf(nothing)).toEqual(unknownTraits);
  expect(traitsOf({ ...nothing, ip: "no address" })).toEqual(unknownTraits);
});
