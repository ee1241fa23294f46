import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { partitionOf } from "./keys.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a key as text lies where its bytes lie, however long it is", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 600, size: "max" });
  fc.assert(
    fc.property(text, (key) => assert.equal(partitionOf(key, 12), partitionOf(bytesOf(key), 12))),
  );
});

test("nothing of a longer key is left in a shorter one", () => {
  partitionOf("x".repeat(300), 12);
  assert.equal(partitionOf("acme|u-1", 4_096), partitionOf(bytesOf("acme|u-1"), 4_096));
});
