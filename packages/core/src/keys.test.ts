import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { partitionOf, TENANT_ID, USER_ID, USER_KEY_MAX_LENGTH, userKey } from "./keys.ts";

test("the longest key of a user is of the longest names", () => {
  const [tenantId, userId] = ["t".repeat(64), "u".repeat(128)];
  assert.ok(TENANT_ID.test(tenantId) && !TENANT_ID.test(`${tenantId}t`));
  assert.ok(USER_ID.test(userId) && !USER_ID.test(`${userId}u`));
  assert.equal(userKey(tenantId, userId).length, USER_KEY_MAX_LENGTH);
});

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
