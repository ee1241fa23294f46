import { isIP } from "node:net";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isPublic, parseAddress, words } from "./address.ts";

const hex = (): string => [...words].map((word) => word.toString(16).padStart(8, "0")).join("");

test("v4 addresses come out as their number", () =>
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(parseAddress(text)).toBe(4);
      const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
      expect(words[0]).toBe(((a * 256 + b) * 256 + c) * 256 + d);
    }),
  ));

test("v6 addresses come out as their 128 bits", () =>
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const family = parseAddress(text);
      const full = new URL(`http://[${text}]/`).hostname.slice(1, -1);
      const [left = "", right] = full.split("::");
      const head = left.split(":").filter(Boolean);
      const tail = (right ?? "").split(":").filter(Boolean);
      const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail];
      const expected = groups.map((group) => group.padStart(4, "0")).join("");
      if (family === 6) expect(hex()).toBe(expected);
      else expect(expected.startsWith("00000000000000000000ffff")).toBe(true);
    }),
  ));

test("what is no address is none, as the platform's own parser says", () =>
  fc.assert(
    fc.property(
      fc.oneof(fc.stringMatching(/^[0-9a-f:.]{0,20}$/), fc.string(), fc.ipV4(), fc.ipV6()),
      (text) => {
        const expected = isIP(text);
        const found = parseAddress(text);
        if (found === 4 && text.includes(":")) expect(expected).toBe(6);
        else if (expected === 6 && text.length > 45) expect(found).toBe(0);
        else if (!text.includes("%")) expect(found).toBe(expected);
      },
    ),
    { numRuns: 2_000 },
  ));

test("a v4 address mapped into v6 is the v4 address", () => {
  expect(parseAddress("::ffff:41.82.0.1")).toBe(4);
  expect(words[0]).toBe(0x29520001);
});

test.each([
  "10.1.2.3",
  "127.0.0.1",
  "192.168.0.7",
  "100.64.0.1",
  "172.31.255.255",
  "169.254.1.1",
  "224.0.0.1",
  "255.255.255.255",
  "::1",
  "fe80::1",
  "fd00::1",
  "::ffff:10.0.0.1",
  "2001:db8::1",
])("%s is not public", (text) => {
  const family = parseAddress(text);
  expect(family !== 0 && isPublic(family)).toBe(false);
});

test.each(["41.82.0.1", "172.32.0.1", "100.128.0.1", "2001:4860:4860::8888", "2a01:e0a::1"])(
  "%s is public",
  (text) => {
    const family = parseAddress(text);
    expect(family !== 0 && isPublic(family)).toBe(true);
  },
);
