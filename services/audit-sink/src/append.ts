import { setImmediate as nextTurn } from "node:timers/promises";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { Digested } from "./known-events.ts";
import { leafOf } from "./leaf-of.ts";
import { insertLeaves, insertTiles, type SignedLeaf, signLeaf } from "./leaf-rows.ts";
import type { Signer } from "./signer.ts";
import type { SubjectsOfBatch } from "./subjects-of-batch.ts";
import { growTree, type Tree } from "./tree-rows.ts";

/** Leaves of one statement: some 300 KB. */
const STATEMENT_LEAVES = 256;
/** Sealed at once; then the connection gets its turn. About 1 ms. */
const TURN_LEAVES = 32;

export interface AppendParts {
  readonly tree: Tree;
  readonly signer: Signer;
  readonly subjects: SubjectsOfBatch;
}

/** Gives entries their leaves behind the tree. While PostgreSQL takes some in, the next ones are sealed. */
export async function appendEntries(
  tx: Queryable,
  entries: readonly Digested[],
  { tree, signer, subjects }: AppendParts,
): Promise<Tree> {
  const first = Number(tree.frontier.size);
  const hashes: Buffer[] = [];
  let inserting: Promise<void> = Promise.resolve();
  for (let at = 0; at < entries.length; at += STATEMENT_LEAVES) {
    const leaves = await sealed(entries.slice(at, at + STATEMENT_LEAVES), { signer, subjects });
    for (const { hash } of leaves) hashes.push(hash);
    await inserting;
    inserting = insertLeaves(tx, leaves, { from: first + at, keyId: signer.keyId });
    // Waited for below or in the next turn; until then nobody else may be told of a failure.
    inserting.catch(() => undefined);
  }
  const grown = growTree(tree, hashes);
  await inserting;
  await insertTiles(tx, grown.tiles);
  return grown.tree;
}

async function sealed(
  entries: readonly Digested[],
  { signer, subjects }: Omit<AppendParts, "tree">,
): Promise<readonly SignedLeaf[]> {
  const leaves: SignedLeaf[] = [];
  for (const { entry, digest } of entries) {
    leaves.push(signLeaf(entry, leafOf(entry, digest, subjects.of(entry)), signer));
    if (leaves.length % TURN_LEAVES === 0) await nextTurn();
  }
  return leaves;
}
