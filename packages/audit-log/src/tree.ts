import { assert } from "@vigie/core/assert";
import { sha256 } from "./sha256.ts";

/** Bytes of SHA-256, the hash of RFC 6962. */
export const HASH_BYTES = 32;

/** The root of a tree without leaves: SHA-256 of nothing. Source: RFC 6962, 2.1. */
export const EMPTY_ROOT: Buffer = sha256(Buffer.alloc(0));

/** Larger leaves are hashed as well, only not from the reused buffer. */
const LEAF_BUFFER_BYTES = 64 * 1_024;
// Hashing is synchronous, so one buffer for each kind of input serves all.
const leafInput = Buffer.alloc(1 + LEAF_BUFFER_BYTES);
const nodeInput = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/** SHA-256(0x00 ‖ data). Source: RFC 6962, 2.1. */
export function leafHash(data: Uint8Array): Buffer {
  if (data.length > LEAF_BUFFER_BYTES) {
    return sha256(Buffer.concat([Buffer.of(0), data]));
  }
  leafInput.set(data, 1);
  return sha256(leafInput.subarray(0, 1 + data.length));
}

/** SHA-256(0x01 ‖ left ‖ right). Source: RFC 6962, 2.1. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  assert(left.length === HASH_BYTES && right.length === HASH_BYTES, "a node joins two hashes");
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  return sha256(nodeInput);
}

/** A tree as far as an append needs it: the roots of the perfect subtrees it is made of. */
export interface Frontier {
  /** Leaves. */
  readonly size: bigint;
  /** One hash for each bit that is set in `size`, largest subtree first. */
  readonly hashes: readonly Buffer[];
}

export const EMPTY_FRONTIER: Frontier = { size: 0n, hashes: [] };

/** The root of the perfect subtree over leaves index·2^level up to (index + 1)·2^level. */
export interface Node {
  readonly level: number;
  readonly index: bigint;
  readonly hash: Buffer;
}

/** Levels of the tree in one level of tiles. Source: C2SP tlog-tiles, tiles are 256 = 2^8 wide. */
export const TILE_HEIGHT = 8;

export interface Appended {
  readonly frontier: Frontier;
  /**
   * Roots of the tiles that became full (levels 8, 16, …), in the order in which they did: the hashes of the tiles
   * one level up.
   */
  readonly tileRoots: readonly Node[];
}

/**
 * Appends leaves, given by their hashes.
 * Throws: VIG_INVARIANT if the frontier has not one hash for each bit of its size.
 */
export function appendLeaves(frontier: Frontier, leafHashes: readonly Buffer[]): Appended {
  checkFrontier(frontier);
  const hashes = [...frontier.hashes];
  const tileRoots: Node[] = [];
  let { size } = frontier;
  for (const leaf of leafHashes) {
    let hash = leaf;
    let level = 0;
    // Adding one to a binary counter: every carry joins two subtrees of one size.
    for (let index = size; (index & 1n) === 1n; index >>= 1n) {
      hash = nodeHash(hashes.pop() as Buffer, hash);
      level += 1;
      if (level % TILE_HEIGHT === 0) tileRoots.push({ level, index: index >> 1n, hash });
    }
    hashes.push(hash);
    size += 1n;
  }
  return { frontier: { size, hashes }, tileRoots };
}

/**
 * The Merkle tree hash.
 * Throws: VIG_INVARIANT if the frontier has not one hash for each bit of its size.
 */
export function rootOf(frontier: Frontier): Buffer {
  checkFrontier(frontier);
  const [smallest, ...larger] = frontier.hashes.toReversed();
  return larger.reduce((right, left) => nodeHash(left, right), smallest ?? EMPTY_ROOT);
}

function checkFrontier({ size, hashes }: Frontier): void {
  assert(size >= 0n && hashes.length === bitsOf(size), `a tree of ${size} has its frontier`);
}

const bitsOf = (size: bigint): number => size.toString(2).replaceAll("0", "").length;
