import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { cursorOf, pageOf, placeOf } from "./keyset.ts";

const places = fc.record(
  { atMs: fc.integer({ min: 0, max: 9_999_999_999_999 }), id: fc.uuid() },
  { noNullPrototype: true },
);

test("a cursor is read as the place that it was made of", () => {
  fc.assert(fc.property(places, (place) => assert.deepEqual(placeOf(cursorOf(place)), place)));
});

test("any text is either a cursor of ours, to the letter, or refused", () => {
  const changed = fc.tuple(places.map(cursorOf), fc.nat(), fc.string({ maxLength: 2 }));
  const texts = fc.oneof(
    fc.string(),
    changed.map(([text, at, put]) => text.slice(0, at % text.length) + put + text.slice(at)),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        assert.equal(cursorOf(placeOf(text)), text);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "VIG_QUERY_INVALID");
      }
    }),
  );
});

test("a page has a next one only if one row more was found", () => {
  const place = (n: number) => ({ atMs: n, id: "" });
  assert.deepEqual(pageOf([3, 2, 1], 2, place), { items: [3, 2], next: place(2) });
  assert.deepEqual(pageOf([3, 2], 2, place), { items: [3, 2], next: null });
  assert.deepEqual(pageOf([], 2, place), { items: [], next: null });
});
