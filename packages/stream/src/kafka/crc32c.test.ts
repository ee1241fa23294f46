import assert from "node:assert/strict";
import { createRequire } from "node:module";
import fc from "fast-check";
import { test } from "vitest";
import { crc32c } from "./crc32c.ts";

const load = createRequire(import.meta.url);
const reference = load("kafkajs/src/protocol/recordBatch/crc32C") as (bytes: Buffer) => number;

test("CRC-32C of the check string is the published value", () => {
  // Source: RFC 3720 appendix B.4 and the catalogue of parametrised CRC algorithms.
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
});

test("CRC-32C by sixteen bytes equals CRC-32C by single bytes, at any length and offset", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(40), (bytes, skip) => {
      const buffer = Buffer.from(bytes);
      const start = Math.min(skip, buffer.length);
      assert.equal(crc32c(buffer, start), reference(buffer.subarray(start)) >>> 0);
    }),
  );
});
