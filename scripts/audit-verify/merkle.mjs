// The Merkle tree of RFC 6962, section 2.1.
import { sha256 } from "./bytes.mjs";

/** Source: C2SP tlog-tiles, an entry's length is a uint16. */
export const LEAF_BYTES_MAX = 65_535;
const EMPTY_ROOT = sha256("");

// UTF-8 takes three bytes at most for a unit of UTF-16.
const leafInput = Buffer.alloc(1 + 3 * LEAF_BYTES_MAX);
const nodeInput = Buffer.alloc(65, 1);

/** SHA-256(0x00 ‖ UTF-8 of the text); null if that is longer than a leaf may be. */
export function leafHash(text) {
  if (text.length > LEAF_BYTES_MAX) return null;
  const length = leafInput.write(text, 1, "utf8");
  return length > LEAF_BYTES_MAX ? null : sha256(leafInput.subarray(0, 1 + length));
}

/** SHA-256(0x01 ‖ left ‖ right) of two hashes. */
export function nodeHash(left, right) {
  left.copy(nodeInput, 1, 0, 32);
  right.copy(nodeInput, 33, 0, 32);
  return sha256(nodeInput);
}

/** The root of a perfect subtree, given by 2^n hashes. */
export function subtreeRoot(hashes) {
  let row = hashes;
  while (row.length > 1) {
    const above = [];
    for (let i = 0; i < row.length; i += 2) above.push(nodeHash(row[i], row[i + 1]));
    row = above;
  }
  return row[0];
}

/** A tree that only grows: keeps the roots of its perfect subtrees, largest first. */
export function createTree() {
  const roots = [];
  let size = 0;
  return {
    size: () => size,
    append(leaf) {
      let hash = leaf;
      // Adding one to a binary counter: every carry joins two subtrees. No bit operators: they end at 32 bits.
      for (let index = size; index % 2 === 1; index = (index - 1) / 2) {
        hash = nodeHash(roots.pop(), hash);
      }
      roots.push(hash);
      size += 1;
    },
    root: () =>
      roots.length === 0 ? EMPTY_ROOT : roots.reduceRight((right, left) => nodeHash(left, right)),
  };
}

/**
 * Whether the proof leads from the hash of leaf `index` to the root of `size` leaves; both bigint.
 * Source: RFC 9162, 2.1.3.2 (the proofs are those of RFC 6962).
 */
export function includes({ index, size, hash, proof, root }) {
  if (index < 0n || index >= size) return false;
  let at = index;
  let last = size - 1n;
  let node = hash;
  for (const other of proof) {
    if (last === 0n) return false;
    if (at % 2n === 1n || at === last) {
      node = nodeHash(other, node);
      while (at % 2n === 0n && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else node = nodeHash(node, other);
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && node.equals(root);
}

/**
 * Whether the tree of `second` leaves begins with that of `first`; both bigint.
 * Source: RFC 9162, 2.1.4.2.
 */
export function extendsTree({ first, second, firstRoot, secondRoot, proof }) {
  if (first <= 0n || first > second) return false;
  if (first === second) return proof.length === 0 && firstRoot.equals(secondRoot);
  const path = (first & (first - 1n)) === 0n ? [firstRoot, ...proof] : proof;
  if (path.length === 0) return false;
  let at = first - 1n;
  let last = second - 1n;
  while (at % 2n === 1n) {
    at >>= 1n;
    last >>= 1n;
  }
  let [older] = path;
  let newer = older;
  for (const other of path.slice(1)) {
    if (last === 0n) return false;
    if (at % 2n === 1n || at === last) {
      older = nodeHash(other, older);
      newer = nodeHash(other, newer);
      while (at % 2n === 0n && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else newer = nodeHash(newer, other);
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && older.equals(firstRoot) && newer.equals(secondRoot);
}
