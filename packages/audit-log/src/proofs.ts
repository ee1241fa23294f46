import { VigError } from "@vigie/core/errors";
import { HASH_BYTES, nodeHash, rootOf } from "./tree.ts";

/** A perfect subtree: leaves index·2^level up to (index + 1)·2^level. */
export interface NodeId {
  readonly level: number;
  readonly index: bigint;
}

/** Gives the hashes of perfect subtrees, in the order asked for. Called once a proof. */
export type ReadNodes = (nodes: readonly NodeId[]) => Promise<readonly Buffer[]>;

/** Leaves `start` up to `end`: a subtree as the recursion of RFC 6962 cuts the tree. */
interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

export interface Inclusion {
  readonly index: bigint;
  readonly size: bigint;
  readonly leafHash: Buffer;
  readonly proof: readonly Buffer[];
  readonly root: Buffer;
}

export interface Consistency {
  readonly first: bigint;
  readonly second: bigint;
  readonly firstRoot: Buffer;
  readonly secondRoot: Buffer;
  readonly proof: readonly Buffer[];
}

/**
 * That leaf `index` is in the tree of `size` leaves.
 * Throws: VIG_AUDIT_PROOF_RANGE if it is not; an empty tree has no leaf.
 * Source: RFC 6962, 2.1.1.
 */
export function proveInclusion(index: bigint, size: bigint, read: ReadNodes): Promise<Buffer[]> {
  if (index < 0n || index >= size) throw outside(`no leaf ${index} in a tree of ${size}`);
  return rootsOf(auditPath(index, { start: 0n, end: size }), read);
}

/**
 * That the tree of `first` leaves is what the tree of `second` leaves begins with.
 * Throws: VIG_AUDIT_PROOF_RANGE unless 0 < first ≤ second: the empty tree is the beginning of every tree, so there is
 * nothing to prove of it.
 * Source: RFC 6962, 2.1.2.
 */
export function proveConsistency(
  first: bigint,
  second: bigint,
  read: ReadNodes,
): Promise<Buffer[]> {
  if (first <= 0n || first > second) throw outside(`none from ${first} to ${second} leaves`);
  return rootsOf(subproof(first, { start: 0n, end: second }, true), read);
}

/** The Merkle tree hash of the first `size` leaves. */
export async function rootAt(size: bigint, read: ReadNodes): Promise<Buffer> {
  const [root] = await rootsOf([{ start: 0n, end: size }], read);
  return root as Buffer;
}

/** Never throws: what is malformed proves nothing. Source: RFC 9162, 2.1.3.2. */
export function verifyInclusion({ index, size, leafHash, proof, root }: Inclusion): boolean {
  if (index < 0n || index >= size || ![leafHash, root, ...proof].every(isHash)) return false;
  const climb = climbFrom(index, size);
  let computed = leafHash;
  for (const sibling of proof) {
    const side = climb.next();
    if (side === "none") return false;
    computed = side === "left" ? nodeHash(sibling, computed) : nodeHash(computed, sibling);
  }
  return climb.next() === "none" && computed.equals(root);
}

/** Never throws: what is malformed proves nothing, nor does a first tree without leaves. Source: RFC 9162, 2.1.4.2. */
export function verifyConsistency(claim: Consistency): boolean {
  const { first, second, firstRoot, secondRoot, proof } = claim;
  if (first <= 0n || first > second) return false;
  if (![firstRoot, secondRoot, ...proof].every(isHash)) return false;
  if (first === second) return proof.length === 0 && firstRoot.equals(secondRoot);
  // A first tree that is perfect is a node of the second: its root is left out of the proof.
  const isPerfect = (first & (first - 1n)) === 0n;
  const [start, ...siblings] = isPerfect ? [firstRoot, ...proof] : proof;
  if (start === undefined) return false;
  return joins(start, siblings, claim);
}

function joins(start: Buffer, siblings: readonly Buffer[], claim: Consistency): boolean {
  const { first, second, firstRoot, secondRoot } = claim;
  // The climb begins at the largest perfect subtree that ends where the first tree ends.
  const level = trailingZeros(first);
  const climb = climbFrom((first - 1n) >> level, ((second - 1n) >> level) + 1n);
  let inFirst = start;
  let inSecond = start;
  for (const sibling of siblings) {
    const side = climb.next();
    if (side === "none") return false;
    if (side === "left") inFirst = nodeHash(sibling, inFirst);
    inSecond = side === "left" ? nodeHash(sibling, inSecond) : nodeHash(inSecond, sibling);
  }
  return climb.next() === "none" && inFirst.equals(firstRoot) && inSecond.equals(secondRoot);
}

type Side = "left" | "right" | "none";

/** Goes from node `index` of a row of `width` nodes up to the root, and says on which side the next sibling stands. */
function climbFrom(index: bigint, width: bigint): { next(): Side } {
  let at = index;
  let last = width - 1n;
  function up(): void {
    at >>= 1n;
    last >>= 1n;
  }
  return {
    next() {
      // The last node of a row has no sibling where it stands left: it goes up as it is.
      while (at === last && last > 0n && (at & 1n) === 0n) up();
      if (last === 0n) return "none";
      const side = (at & 1n) === 1n ? "left" : "right";
      up();
      return side;
    },
  };
}

/** PATH of RFC 6962, 2.1.1, as ranges: from the leaf's sibling to a child of the root. */
function auditPath(index: bigint, range: Range): Range[] {
  if (range.end - range.start === 1n) return [];
  const [left, right] = halves(range);
  return index < left.end ? [...auditPath(index, left), right] : [...auditPath(index, right), left];
}

/** SUBPROOF of RFC 6962, 2.1.2, as ranges; `known`: the range is the whole first tree, whose root is known. */
function subproof(first: bigint, range: Range, known: boolean): Range[] {
  if (first === range.end) return known ? [] : [range];
  const [left, right] = halves(range);
  return first <= left.end
    ? [...subproof(first, left, known), right]
    : [...subproof(first, right, false), left];
}

/** Cut at the largest power of two below the number of leaves. */
function halves({ start, end }: Range): readonly [Range, Range] {
  const cut = start + (1n << BigInt((end - start - 1n).toString(2).length - 1));
  return [
    { start, end: cut },
    { start: cut, end },
  ];
}

async function rootsOf(ranges: readonly Range[], read: ReadNodes): Promise<Buffer[]> {
  const parts = ranges.map(nodesOf);
  const hashes = [...(await read(parts.flat()))];
  return ranges.map(({ start, end }, i) =>
    rootOf({ size: end - start, hashes: hashes.splice(0, parts[i]?.length ?? 0) }),
  );
}

/** The perfect subtrees of a range, largest first. The recursion cuts where they all begin at a node. */
export function nodesOf({ start, end }: Range): NodeId[] {
  const nodes: NodeId[] = [];
  let at = start;
  const size = end - start;
  for (let level = size.toString(2).length - 1; level >= 0; level -= 1) {
    const leaves = 1n << BigInt(level);
    if ((size & leaves) === 0n) continue;
    nodes.push({ level, index: at / leaves });
    at += leaves;
  }
  return nodes;
}

function trailingZeros(value: bigint): bigint {
  let zeros = 0n;
  while (((value >> zeros) & 1n) === 0n) zeros += 1n;
  return zeros;
}

const isHash = (bytes: Uint8Array): boolean => bytes.length === HASH_BYTES;

const outside = (why: string): VigError => new VigError("VIG_AUDIT_PROOF_RANGE", { why });
