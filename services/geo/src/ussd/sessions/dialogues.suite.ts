import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { eventually } from "@vigie/testkit/eventually";
import { test } from "vitest";
import type { State } from "../machine/types.ts";
import type { DialogueStore, Kept, Lifetimes } from "./dialogue-store.ts";

const DAY: Lifetimes = { idleMs: 86_400_000, usedMs: 86_400_000 };

const state: State = {
  language: "fr",
  link: "l-1",
  hasPin: true,
  supportPhone: null,
  signedIn: false,
  place: { at: "repeatPin", proof: { by: "code", proven: "none" }, mark: "é\n" },
};

/** A dialogue in its nth version. */
export const keptAt = (version: number): Kept => ({
  version,
  first: "f",
  steps: version,
  mark: `m${version}`,
  stepsBefore: version - 1,
  markBefore: `m${version - 1}`,
  answered: {
    state,
    screen: { kind: "CON", name: "repeatPin", language: "fr", text: "Répétez\n0. Retour" },
  },
  answeredAtMs: 1_767_607_200_000 + version,
  busyUntilMs: 0,
});

/** What every DialogueStore promises. */
export function dialoguesSuite(name: string, open: (lifetimes: Lifetimes) => DialogueStore): void {
  test(`${name}: a dialogue is never heard of, then as it was kept`, async () => {
    const store = open(DAY);
    const [one, other] = [randomUUID(), randomUUID()];
    assert.equal(await store.read(one), null);
    assert.equal(await store.swap(one, { ...keptAt(1), answered: null }), true);
    assert.deepEqual(await store.read(one), { ...keptAt(1), answered: null });
    assert.equal(await store.swap(one, keptAt(2)), true);
    assert.deepEqual(await store.read(one), keptAt(2));
    assert.equal(await store.read(other), null);
  });

  test(`${name}: whoever saw another version changes nothing`, async () => {
    const store = open(DAY);
    const one = randomUUID();
    assert.equal(await store.swap(one, keptAt(2)), false);
    await store.swap(one, keptAt(1));
    await store.swap(one, keptAt(2));
    for (const version of [1, 2, 4]) {
      assert.equal(await store.swap(one, { ...keptAt(version), mark: "late" }), false);
    }
    assert.deepEqual(await store.read(one), keptAt(2));
  });

  test(`${name}: of many at once one wins`, async () => {
    const store = open(DAY);
    const one = randomUUID();
    for (const version of [1, 2]) {
      const all = Array.from({ length: 8 }, () => store.swap(one, keptAt(version)));
      assert.equal((await Promise.all(all)).filter((won) => won).length, 1);
    }
  });

  test(`${name}: a silent dialogue is forgotten, but its id opens no other`, async () => {
    const store = open({ idleMs: 20, usedMs: DAY.usedMs });
    const one = randomUUID();
    await store.swap(one, keptAt(1));
    await eventually(async () => assert.equal(await store.read(one), "over"));
    for (const version of [1, 2]) assert.equal(await store.swap(one, keptAt(version)), false);
    assert.equal(await store.read(one), "over");
  });

  test(`${name}: in the end its id is free again`, async () => {
    const store = open({ idleMs: 10, usedMs: 20 });
    const one = randomUUID();
    await store.swap(one, keptAt(1));
    await eventually(async () => assert.equal(await store.read(one), null));
    assert.equal(await store.swap(one, keptAt(1)), true);
  });

  test(`${name}: every change gives it the whole time again`, async () => {
    const store = open({ idleMs: 1_000, usedMs: DAY.usedMs });
    const [silent, busy] = [randomUUID(), randomUUID()];
    await store.swap(silent, keptAt(1));
    let version = 0;
    await eventually(async () => {
      version += 1;
      assert.equal(await store.swap(busy, keptAt(version)), true);
      assert.equal(await store.read(silent), "over");
    });
    assert.deepEqual(await store.read(busy), keptAt(version));
  });
}
