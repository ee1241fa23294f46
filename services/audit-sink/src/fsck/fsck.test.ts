import { EMPTY_ROOT, leafHash, nodeHash } from "@vigie/audit-log/tree";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fsck } from "./fsck.ts";
import type { Finding } from "./log-source.ts";
import { type MemoryLog, memoryLog, rowOf, sampleLeaf, verify } from "./memory-log.ts";
import { TreeWalk } from "./tree-walk.ts";

/** Two full tiles and a part of a third. */
const SIZE = 600;
const CLAIMED = [0, 1, 255, 256, 257, 512, 599, 600];

async function findings(log: MemoryLog): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  await fsck(log, { verify, onFinding: (finding) => found.push(finding) });
  return found;
}

const texts = async (log: MemoryLog): Promise<readonly string[]> =>
  (await findings(log)).map(({ kind, where, why }) => `${kind}: ${where}: ${why}`);

/** A leaf of another content, wherever the row says it. */
const forged = (index: number) =>
  rowOf(index, { ...sampleLeaf(index), action: "session.forgiven" });

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy.writeUInt8((copy[at] ?? 0) ^ 1, at);
  return copy;
};

test("the root of three leaves is that of RFC 6962", () => {
  const [a, b, c] = ["a", "b", "c"].map((text) => leafHash(Buffer.from(text)));
  const walk = new TreeWalk();
  expect(walk.root()).toEqual(EMPTY_ROOT);
  for (const leaf of [a, b, c]) walk.append(leaf as Buffer);
  const left = nodeHash(a as Buffer, b as Buffer);
  expect(walk.root()).toEqual(nodeHash(left, c as Buffer));
});

test("an undisturbed log is found sound, whatever its size and the sizes that were signed", async () => {
  const size = fc.integer({ min: 0, max: 1_100 });
  await fc.assert(
    fc.asyncProperty(size, fc.array(size, { maxLength: 20 }), async (leaves, claimed) => {
      const log = memoryLog(leaves, claimed);
      const found: Finding[] = [];
      const verdict = await fsck(log, { verify, onFinding: (finding) => found.push(finding) });
      expect(found).toEqual([]);
      const tiles = Math.floor(leaves / 256);
      expect(verdict.checked).toEqual({ leaves, tiles, claims: log.said.length });
    }),
    { numRuns: 20 },
  );
});

test("tiles of the second level are those over 256 tiles", async () => {
  const walk = new TreeWalk();
  const hash = leafHash(Buffer.from("x"));
  const full = Array.from({ length: 65_536 }, () => walk.append(hash)).flat();
  expect(full.filter(({ level }) => level === 0)).toHaveLength(256);
  const [upper, ...more] = full.filter(({ level }) => level === 1);
  expect(more).toEqual([]);
  expect(upper).toMatchObject({ index: 0, root: walk.root() });
  expect(upper?.hashes.subarray(0, 32)).toEqual(full[0]?.root);
});

test("a flipped bit of a leaf is found where it is, and nowhere else", async () => {
  const log = memoryLog(SIZE, CLAIMED);
  const row = rowOf(300);
  log.rows[300] = { ...row, leaf: flipped(row.leaf, 20) };
  const [first, ...others] = await texts(log);
  expect(first).toBe("tampered: leaf 300: leaf_hash is not the hash of its bytes");
  for (const text of others) expect(text).toContain("leaf 300");
});

test("a flipped bit of its hash likewise: the signature tells which of both was written", async () => {
  const log = memoryLog(SIZE, CLAIMED);
  const row = rowOf(300);
  log.rows[300] = { ...row, leaf_hash: flipped(row.leaf_hash, 0) };
  expect(await texts(log)).toEqual(["tampered: leaf 300: leaf_hash is not the hash of its bytes"]);
});

test("a leaf that was written anew, signed by who has the secret, is found by tile and checkpoints", async () => {
  const log = memoryLog(SIZE, CLAIMED);
  log.rows[300] = forged(300);
  const found = await texts(log);
  expect(found).toContain(
    "tampered: tile 0/1: its hash of leaf 300 is not the one of these leaves",
  );
  const why = "its root is not that of these leaves";
  for (const size of [512, 599, 600]) {
    expect(found).toContain(`tampered: checkpoint of ${size} leaves: ${why}`);
  }
  expect(found).not.toContain(`tampered: checkpoint of 257 leaves: ${why}`);
});

test("two rows that changed places are found, though each is signed", async () => {
  const log = memoryLog(SIZE, CLAIMED);
  log.rows[590] = { ...rowOf(591), index: 590 };
  log.rows[591] = { ...rowOf(590), index: 591 };
  expect(await texts(log)).toEqual([
    "tampered: checkpoint of 599 leaves: its root is not that of these leaves",
    "tampered: checkpoint of 600 leaves: its root is not that of these leaves",
    "tampered: frontier: it is not that of these leaves",
  ]);
});

test("rows that are gone are named, and the rest is checked with what tiles tell of them", async () => {
  const log = memoryLog(SIZE, CLAIMED);
  log.rows.splice(100, 3);
  expect(await texts(log)).toEqual(["tampered: leaves 100 to 102: 3 rows are gone"]);
});

test("a row that is gone where no tile is full yet leaves later roots unchecked, and that is said", async () => {
  const log = memoryLog(SIZE, CLAIMED);
  log.rows.splice(598, 1);
  const [row, tree, ...more] = await texts(log);
  expect(row).toBe("tampered: leaf 598: its row is gone");
  expect(tree).toMatch(/^incomplete: tree of 600 leaves: .* 2 signed roots stay unchecked$/);
  expect(more).toEqual([]);
});

test("a tail that was cut off with its head is missed by who has signed it", async () => {
  const log = memoryLog(SIZE, CLAIMED);
  const shorter = memoryLog(590);
  log.rows.splice(590);
  log.size = 590;
  log.frontier = shorter.frontier;
  expect(await texts(log)).toEqual([
    "tampered: leaves 590 to 599: the head has 590 leaves, but a tree of 600 was signed",
  ]);
});

test("rows beyond the head, and tiles that cannot be full yet, are found", async () => {
  const log = memoryLog(SIZE);
  log.rows.push(rowOf(SIZE));
  const [tile] = log.stored;
  if (tile !== undefined) log.stored.push({ ...tile, index: 2 });
  expect(await texts(log)).toEqual([
    "tampered: leaves from 600 on: 1 rows lie beyond the head",
    "tampered: tiles of level 0: 3, but 2 are full",
  ]);
});

test("a changed tile, one whose root is another, and one that is gone are found", async () => {
  const log = memoryLog(SIZE);
  const [first, second] = log.stored;
  if (first === undefined || second === undefined) throw new Error("there are two tiles");
  log.stored[0] = { ...first, hashes: flipped(first.hashes, 5 * 32) };
  log.stored[1] = { ...second, root: first.root };
  expect(await texts(log)).toEqual([
    "tampered: tile 0/0: its hash of leaf 5 is not the one of these leaves",
    "tampered: tile 0/1: its root is not that of its hashes",
  ]);
  log.stored.splice(0, 1);
  expect(await texts(log)).toContain("tampered: tile 0/0: its row is gone");
});

test("a changed frontier is found", async () => {
  const log = memoryLog(SIZE);
  log.frontier = [...log.frontier.slice(1), log.frontier[0] as Buffer];
  expect(await texts(log)).toEqual(["tampered: frontier: it is not that of these leaves"]);
});

test("a claim that is itself at fault is told with the fault", async () => {
  const log = memoryLog(3);
  const fault = { kind: "unreadable", where: "checkpoint", why: "no key" } as const;
  log.said.push({ size: 3, root: log.said[0]?.root as Buffer, where: "checkpoint", fault });
  expect(await findings(log)).toEqual([fault]);
});

test("AUD-02: columns, signature and secret of a row are looked at", async () => {
  const log = memoryLog(5);
  log.rows[0] = { ...rowOf(0), tenant_key: "molam-ci" };
  log.rows[1] = { ...rowOf(1), tenant_id: rowOf(1).tenant_id.replace(/.$/, "0") };
  log.rows[2] = { ...rowOf(2), event_id: "another" };
  log.rows[3] = { ...rowOf(3), signature: rowOf(4).signature };
  log.rows[4] = { ...rowOf(4), key_id: "lost" };
  expect(await texts(log)).toEqual([
    "tampered: leaf 0: tenant_key is another",
    "tampered: leaf 1: tenant_id is another",
    "tampered: leaf 2: event_id is another",
    "tampered: leaf 3: its signature is of another leaf",
    "unreadable: leaf 4: secret lost is not known",
  ]);
});
