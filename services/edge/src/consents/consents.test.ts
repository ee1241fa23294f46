import { expect, test } from "vitest";
import { ConsentBook, SILENCE_MAX_MS } from "./consents.ts";
import { Precisions } from "./precisions.ts";

function bookAt() {
  const at = { ms: 1_000 };
  const book = new ConsentBook(() => at.ms, SILENCE_MAX_MS);
  return { at, book };
}

test("CNF-05: before it was read nothing is allowed", () => {
  const { book } = bookAt();
  expect([book.isRead, book.isCurrent, book.lengthOf("acme|ada")]).toEqual([false, false, 0]);
});

test("CNF-05: one partition that is silent for three minutes ends what was known, until it is heard again", () => {
  const { at, book } = bookAt();
  const read = new Precisions();
  read.set("acme|ada", 7);
  book.replace(read, 2);
  at.ms += SILENCE_MAX_MS;
  expect([book.isCurrent, book.lengthOf("acme|ada")]).toEqual([true, 7]);
  book.heard(1);
  at.ms += 1;
  expect([book.isRead, book.isCurrent, book.lengthOf("acme|ada")]).toEqual([true, false, 0]);
  book.heard(0);
  expect([book.isCurrent, book.lengthOf("acme|ada"), book.lengthOf("acme|bob")]).toEqual([
    true,
    7,
    5,
  ]);
});

test("what is read anew is current", () => {
  const { at, book } = bookAt();
  book.replace(new Precisions(), 1);
  at.ms += SILENCE_MAX_MS + 1;
  book.replace(new Precisions(), 1);
  expect(book.lengthOf("acme|ada")).toBe(5);
});
