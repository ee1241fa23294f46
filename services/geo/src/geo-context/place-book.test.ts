import assert from "node:assert/strict";
import { test } from "vitest";
import { keyOf } from "#person";
import { type MemoryBook, memoryBook } from "./memory-book.ts";
import { type BookUnderTest, bookBehaviours, placeBookSuite } from "./place-book.suite.ts";

const opened = (book: MemoryBook = memoryBook()): BookUnderTest => ({
  book,
  published: async (person) =>
    book.published.filter(({ key }) => key === keyOf(person)).map(({ value }) => String(value)),
  positions: async (person) => book.positions(person),
});

placeBookSuite("memory", () => opened());

/** Twins that break one promise each; the suite must find each out. */
const broken: Readonly<Record<string, () => BookUnderTest>> = {
  "remembers what it read before a change": () => {
    const book = memoryBook();
    const remembered = new Map<string, ReturnType<MemoryBook["read"]>>();
    const read: MemoryBook["read"] = (person) => {
      const known = remembered.get(keyOf(person)) ?? book.read(person);
      remembered.set(keyOf(person), known);
      return known;
    };
    return { ...opened(book), book: { ...book, read } };
  },
  "knows people by their id alone": () => {
    const book = memoryBook();
    const one = (person: { userId: string }) => ({ ...person, tenantId: "one" });
    return {
      ...opened(book),
      book: {
        read: (person) => book.read(one(person)),
        change: (person, decide) => book.change(one(person), decide),
        events: (person, wanted) => book.events(one(person), wanted),
      },
    };
  },
  "keeps positions of who withdrew": () => {
    const book = memoryBook();
    const kept = { lat: 0, lon: 0, accuracyM: null, capturedAtMs: 0 };
    return { ...opened(book), positions: async () => [kept] };
  },
  "cuts nothing": () => {
    const book = memoryBook();
    const change: MemoryBook["change"] = (person, decide) =>
      book.change(person, (held) => {
        const decided = decide(held);
        if (decided.prefs === undefined) return decided;
        return { ...decided, context: decided.context ?? held.context ?? undefined } as never;
      });
    return { ...opened(book), book: { ...book, change } };
  },
  "pages begin anew": () => {
    const book = memoryBook();
    const events: MemoryBook["events"] = async (person, wanted) => {
      const page = await book.events(person, { ...wanted, after: null });
      return wanted.after === null ? page : { ...page, next: null };
    };
    return { ...opened(book), book: { ...book, events } };
  },
};

test.each(Object.entries(broken))("a book that %s does not pass", async (_name, open) => {
  const runs = Object.values(bookBehaviours).map((check) => check(open()));
  const fates = await Promise.allSettled(runs);
  assert.ok(fates.some(({ status }) => status === "rejected"));
});
