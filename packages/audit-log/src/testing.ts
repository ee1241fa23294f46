import { createHash } from "node:crypto";
import type { NodeId, ReadNodes } from "./proofs.ts";

/**
 * The definitions of RFC 6962, 2.1, word for word and over arrays of leaves: slow, and with nothing in common with what
 * they check.
 */

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** The largest power of two below n. */
function cutOf(n: number): number {
  let cut = 1;
  while (cut * 2 < n) cut *= 2;
  return cut;
}

/** MTH. */
export function naiveRoot(leaves: readonly Uint8Array[]): Buffer {
  const [only] = leaves;
  if (only === undefined) return sha256();
  if (leaves.length === 1) return sha256(Buffer.of(0), only);
  const cut = cutOf(leaves.length);
  return sha256(Buffer.of(1), naiveRoot(leaves.slice(0, cut)), naiveRoot(leaves.slice(cut)));
}

/** PATH. */
export function naivePath(index: number, leaves: readonly Uint8Array[]): Buffer[] {
  if (leaves.length === 1) return [];
  const cut = cutOf(leaves.length);
  const [left, right] = [leaves.slice(0, cut), leaves.slice(cut)];
  return index < cut
    ? [...naivePath(index, left), naiveRoot(right)]
    : [...naivePath(index - cut, right), naiveRoot(left)];
}

/** PROOF and SUBPROOF. */
export function naiveConsistency(
  first: number,
  leaves: readonly Uint8Array[],
  known = true,
): Buffer[] {
  if (first === leaves.length) return known ? [] : [naiveRoot(leaves)];
  const cut = cutOf(leaves.length);
  const [left, right] = [leaves.slice(0, cut), leaves.slice(cut)];
  return first <= cut
    ? [...naiveConsistency(first, left, known), naiveRoot(right)]
    : [...naiveConsistency(first - cut, right, false), naiveRoot(left)];
}

/** Nodes computed anew from the leaves. */
export const naiveNodes =
  (leaves: readonly Uint8Array[]): ReadNodes =>
  (nodes) =>
    Promise.resolve(nodes.map((node) => naiveNode(leaves, node)));

function naiveNode(leaves: readonly Uint8Array[], { level, index }: NodeId): Buffer {
  const width = 2 ** level;
  const start = Number(index) * width;
  if (start + width > leaves.length) throw new Error(`node ${level}/${index} is not there`);
  return naiveRoot(leaves.slice(start, start + width));
}

/** Leaves that are all different: their number as four bytes. */
export const numbered = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => {
    const leaf = Buffer.alloc(4);
    leaf.writeUInt32BE(i);
    return leaf;
  });

/**
 * The leaves of the reference tree that implementations of RFC 6962 are compared with, and the root at each size.
 * Source: transparency-dev/merkle, rfc6962 and cmd/proofgen (first in google/certificate-transparency,
 * merkletree/merkle_tree_test.cc).
 */
export const referenceLeaves: readonly Buffer[] = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((hex) => Buffer.from(hex, "hex"));

export const referenceRoots: readonly string[] = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
