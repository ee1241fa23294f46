import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { openConversation } from "./converse.ts";
import { memoryDialogues } from "./memory-dialogues.ts";
import { caller, LIFETIMES, PIN, testKeys } from "./testing.ts";

/** What somebody types, step by step. */
const typed = fc.array(fc.constantFrom("0", "1", "2", "3", PIN, "4071", "73910586", "", "x"), {
  maxLength: 8,
});

function talkTo() {
  const one = caller("s-1");
  const kept: string[] = [];
  const store = memoryDialogues(Date.now, LIFETIMES);
  const { hear } = openConversation({
    store: {
      read: store.read,
      swap: (name, next) => {
        kept.push(name + JSON.stringify(next));
        return store.swap(name, next);
      },
    },
    keys: testKeys,
    clock: Date.now,
    pause: async () => {},
  });
  return { one, kept, hear: (text: string) => hear(one.heard(text)) };
}

/** A step per text; an empty first step is not told from none, so it is left out. */
const textsOf = (steps: readonly string[]): readonly string[] =>
  steps[0] === "" ? [""] : ["", ...steps.map((_, n) => steps.slice(0, n + 1).join("*"))];

test("delivered twice, late, together or in any order, each step is done once, in its order", async () => {
  const deliveries = fc.tuple(typed, fc.infiniteStream(fc.nat()), fc.boolean());
  const once = async ([steps, picks, together]: [string[], Stream, boolean]) => {
    const texts = textsOf(steps);
    const inOrder = talkTo();
    for (const text of texts) await inOrder.hear(text);
    const last = texts.at(-1) ?? "";
    // Any of them in any order, and in the end the last one for sure
    const sent = Array.from({ length: 12 }, () => texts[next(picks) % texts.length] ?? "");
    const mixed = talkTo();
    if (together) await Promise.all(sent.map(mixed.hear));
    else for (const text of sent) await mixed.hear(text);
    const end = await mixed.hear(last);
    assert.deepEqual(mixed.one.asked, inOrder.one.asked);
    assert.equal(end.screen.text, (await inOrder.hear(last)).screen.text);
    // As a word of its own: an HMAC in base64 has any four digits somewhere, once in some thousand runs.
    const secrets = new RegExp(`(?<![\\w-])(${PIN}|4071|73910586|771234567)(?![\\w-])`);
    for (const held of [...mixed.kept, ...inOrder.kept]) assert.doesNotMatch(held, secrets);
  };
  await fc.assert(fc.asyncProperty(deliveries, once), { numRuns: 300 });
});

type Stream = Iterator<number>;
const next = (stream: Stream): number => Number(stream.next().value);
