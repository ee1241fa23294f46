import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseAddress } from "./address.ts";
import { AddressCache } from "./address-cache.ts";
import { unknownAddress } from "./geoip.ts";

test("answers for no other address than the one it was told of", () => {
  const cache = new AddressCache();
  const answers = new Map<string, object>();
  const sampled = fc.check(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant("2001::1")), (ip) => {
      const family = parseAddress(ip);
      if (family === 0 || (family === 4 && ip.includes(":"))) return;
      const known = cache.get(family);
      if (known !== undefined) expect(known.organisation).toBe(nameOf(ip));
      const answer = { ...unknownAddress, organisation: nameOf(ip) };
      cache.set(family, answer);
      answers.set(ip, answer);
      expect(cache.get(family)).toBe(answer);
    }),
    { numRuns: 5_000 },
  );
  expect(sampled).toMatchObject({ failed: false });
  cache.clear();
  for (const ip of answers.keys()) {
    const family = parseAddress(ip);
    if (family !== 0) expect(cache.get(family)).toBeUndefined();
  }
});

/** One text for each way to write a v6 address. */
const nameOf = (ip: string): string =>
  ip.includes(":") ? new URL(`http://[${ip}]/`).hostname : ip;
