import { proveConsistency, rootAt, verifyConsistency } from "@vigie/audit-log/proofs";
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from "@vigie/audit-log/tree";
import { VigError } from "@vigie/core/errors";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import { expect, test } from "vitest";
import { entryOfAudit } from "./entry.ts";
import { insertLeaves, insertTiles } from "./leaf-rows.ts";
import { asOwner, testLog } from "./test-store.ts";
import { auditEvent, T0 } from "./testing.ts";
import { growTree, readTree, type Tree } from "./tree-rows.ts";

const log = testLog();

/** Two levels of full tiles, and some behind each. */
const SIZE = 256 * 256 + 600;
const AT_ONCE = 6_000;
const SIZES = [1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_793, SIZE].map(BigInt);

const entry = entryOfAudit(auditEvent(1), { topic: "t", partition: 0, offset: 0, timestampMs: T0 });
const dataOf = (index: number): Buffer => Buffer.from(`leaf ${index}`);
const hashes = Array.from({ length: SIZE }, (_, i) => leafHash(dataOf(i)));
const rootOfFirst = (size: bigint): Buffer =>
  rootOf(appendLeaves(EMPTY_FRONTIER, hashes.slice(0, Number(size))).frontier);

/** Grows the tree from what the last rows say, as a member does that has just started. */
async function fill(): Promise<void> {
  let grown: Tree = { frontier: EMPTY_FRONTIER, partial: [] };
  for (let from = 0; from < SIZE; from += AT_ONCE) {
    const leaves = hashes.slice(from, from + AT_ONCE).map((hash, i) => ({
      entry: { ...entry, eventId: `e-${from + i}` },
      made: { bytes: dataOf(from + i), aside: null },
      hash,
      signature: hash,
    }));
    await log.service.transaction(async (tx) => {
      const tree = await readTree(tx, grown.frontier);
      expect(tree.partial.map(({ length }) => length)).toEqual(
        grown.partial.map(({ length }) => length),
      );
      const next = growTree(tree, hashes.slice(from, from + AT_ONCE));
      await insertLeaves(tx, leaves, { from, keyId: "k" });
      await insertTiles(tx, next.tiles);
      grown = next.tree;
    });
  }
}

test("roots and consistency of all sizes come out of tiles and hashes, over two levels", async () => {
  await fill();
  const read = readNodes(log.owner);
  const roots = new Map(SIZES.map((size) => [size, rootOfFirst(size)]));
  for (const size of SIZES) expect(await rootAt(size, read), `${size}`).toEqual(roots.get(size));
  for (const first of SIZES) {
    for (const second of SIZES.filter((size) => size >= first)) {
      const proof = await proveConsistency(first, second, read);
      const firstRoot = roots.get(first) as Buffer;
      const secondRoot = roots.get(second) as Buffer;
      const claim = { first, second, firstRoot, secondRoot, proof };
      expect(verifyConsistency(claim), `${first} to ${second}`).toBe(true);
    }
  }
  const { rows } = await log.owner.query(
    "select level, count(*) from audit_tiles group by 1 order by 1",
  );
  expect(rows).toEqual([
    { level: 0, count: 258 },
    { level: 1, count: 1 },
  ]);
  // A leaf that is gone, and one that never was, are missed and not made up.
  const missing = { code: "VIG_AUDIT_LEAF_MISSING" };
  await expect(read([{ level: 0, index: BigInt(SIZE) }])).rejects.toMatchObject(missing);
  await asOwner(log, "delete from audit_leaves where index = 66100");
  const gone = read([{ level: 3, index: 66_100n >> 3n }]);
  await expect(gone).rejects.toBeInstanceOf(VigError);
});
