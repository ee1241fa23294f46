import assert from "node:assert/strict";
import { test } from "vitest";
import { TokenCache } from "./token-cache.ts";

function cacheAt(startMs: number, entriesMax = 100) {
  let nowMs = startMs;
  const cache = new TokenCache<string>({ clock: () => nowMs, ttlMs: 60_000, entriesMax });
  return { cache, pass: (ms: number) => (nowMs += ms) };
}

test("a token is known until it expires", () => {
  const { cache, pass } = cacheAt(1_000);
  cache.put("token", "claims", 11_000);
  pass(9_999);
  assert.equal(cache.get("token"), "claims");
  pass(1);
  assert.equal(cache.get("token"), undefined);
  assert.equal(cache.size, 0);
});

test("and at most 60 s, whenever it expires", () => {
  const { cache, pass } = cacheAt(1_000);
  cache.put("token", "claims", 1_000_000);
  pass(59_999);
  assert.equal(cache.get("token"), "claims");
  pass(1);
  assert.equal(cache.get("token"), undefined);
});

test("an expired token is not kept at all, and another token is not known", () => {
  const { cache } = cacheAt(1_000);
  cache.put("token", "claims", 1_000);
  assert.equal(cache.get("token"), undefined);
  cache.put("token", "claims", 5_000);
  assert.equal(cache.get("token2"), undefined);
});

test("the oldest entry makes room", () => {
  const { cache } = cacheAt(1_000, 2);
  for (const token of ["a", "b", "a", "c"]) cache.put(token, token, 50_000);
  assert.equal(cache.size, 2);
  assert.equal(cache.get("b"), undefined);
  assert.equal(cache.get("a"), "a");
});

test("SEC-03: a token with the signature of a known one and other claims is not known", () => {
  const { cache } = cacheAt(1_000);
  const signature = "s".repeat(342);
  cache.put(`header.claims.${signature}`, "claims", 50_000);
  assert.equal(cache.get(`header.forged.${signature}`), undefined);
  assert.equal(cache.get(`header.claims.${signature}`), "claims");
});
