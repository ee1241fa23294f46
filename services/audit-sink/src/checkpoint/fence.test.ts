import { EMPTY_ROOT } from "@vigie/audit-log/tree";
import fc from "fast-check";
import { expect, test } from "vitest";
import { holdAgainst, readHeld } from "./fence.ts";
import { signCheckpoint } from "./keys.ts";
import { grow } from "./signer.ts";
import { keyNamed, logKeys, MemoryPlace, MemoryTree, ORIGIN } from "./testing.ts";

const keys = logKeys();
const signed = async (tree: MemoryTree) => signCheckpoint(keys, await tree.head());

async function heldIn(place: MemoryPlace["name"], tree: MemoryTree) {
  return { where: place, checkpoint: await signed(tree) } as const;
}

test("a tree that holds what was signed is accepted, and the newest of all places counts", async () => {
  const tree = new MemoryTree().grow(300);
  const held = [
    { where: "topic", checkpoint: null } as const,
    await heldIn("file", tree.copy(257)),
    await heldIn("database", tree.copy(12)),
  ];
  const fence = await holdAgainst(tree, held);
  expect(fence.checkpoint?.size).toBe(257n);
  expect(fence.frontier.size).toBe(257n);
});

test("nothing was ever signed: every tree is accepted", async () => {
  const fence = await holdAgainst(new MemoryTree().grow(3), [{ where: "topic", checkpoint: null }]);
  expect(fence).toMatchObject({ checkpoint: null, frontier: { size: 0n } });
});

test("a tree that is smaller than what any place has is refused, and the place is named", async () => {
  const tree = new MemoryTree().grow(300);
  const old = tree.copy(299);
  for (const place of ["topic", "file", "database"] as const) {
    const check = holdAgainst(old, [await heldIn(place, tree)]);
    await expect(check).rejects.toMatchObject({ code: "VIG_AUDIT_TREE_BEHIND" });
    await expect(check).rejects.toThrow(place);
  }
});

test("another tree is refused, whether as large or larger", async () => {
  const tree = new MemoryTree().grow(300);
  const held = [await heldIn("topic", tree)];
  for (const size of [300, 301, 600]) {
    const other = tree.copy(299).grow(size - 299, "other");
    await expect(holdAgainst(other, held)).rejects.toMatchObject({ code: "VIG_AUDIT_FORKED" });
  }
});

test("two places that have different trees of one size: one of them is a fork", async () => {
  const tree = new MemoryTree().grow(8);
  const held = [await heldIn("topic", tree), await heldIn("file", new MemoryTree().grow(8, "x"))];
  await expect(holdAgainst(tree, held)).rejects.toMatchObject({ code: "VIG_AUDIT_FORKED" });
});

test("a note that is of another key, another log or torn closes the log", async () => {
  const tree = new MemoryTree().grow(2);
  const good = (await signed(tree)).note;
  const stranger = { ...keys, signer: keyNamed(ORIGIN) };
  const notes = [
    signCheckpoint(stranger, await tree.head()).note,
    signCheckpoint(logKeys("another.example"), await tree.head()).note,
    good.replace("\n2\n", "\n1\n"),
    good.slice(0, -20),
    "",
  ];
  for (const note of notes) {
    const place = new MemoryPlace("topic");
    place.notes.push(note);
    const reading = readHeld([place], keys);
    await expect(reading).rejects.toMatchObject({ code: "VIG_AUDIT_FENCE_UNREADABLE" });
  }
});

test("what a retired key signed is a fence like any other", async () => {
  const tree = new MemoryTree().grow(2);
  const next = keyNamed(ORIGIN);
  const rotated = { ...keys, signer: next, trusted: [next.key, ...keys.trusted] };
  const place = new MemoryPlace("file");
  await place.keep(await signed(tree));
  const [held] = await readHeld([place], rotated);
  expect(held?.checkpoint).toMatchObject({ size: 2n, key: keys.signer.key });
});

test("only what was signed, and the leaves behind it, decide what is signed next", async () => {
  const tree = new MemoryTree().grow(5);
  const fence = await holdAgainst(tree, [await heldIn("topic", tree)]);
  expect(await grow(tree, fence)).toBeNull();
  tree.grow(7, "next");
  expect(await grow(tree, fence)).toMatchObject({ size: 12n });
  tree.lie = EMPTY_ROOT;
  await expect(grow(tree, fence)).rejects.toMatchObject({ code: "VIG_AUDIT_FORKED" });
});

test("leaves changed or gone behind a running signer are found, wherever they were", async () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 40 }));
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat(), async ([before, after], at) => {
      const tree = new MemoryTree().grow(before);
      const fence = await holdAgainst(tree, [await heldIn("topic", tree)]);
      tree.grow(after, "later");
      const other = new MemoryTree();
      const leaves = tree.leaves.map((_, i) => (i === at % before ? `changed ${i}` : `leaf ${i}`));
      other.append(...leaves.slice(0, before)).grow(after, "later");
      await expect(grow(other, fence)).rejects.toMatchObject({ code: "VIG_AUDIT_FORKED" });
      const shorter = tree.copy(before - 1);
      await expect(grow(shorter, fence)).rejects.toMatchObject({ code: "VIG_AUDIT_TREE_BEHIND" });
    }),
    { numRuns: 50 },
  );
});
