import { fromBase64, hashFromBase64 } from "./bytes.mjs";
import { includes, subtreeRoot } from "./merkle.mjs";

/** Source: C2SP tlog-tiles. */
export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
/** Levels of a tree of 2^64 leaves. */
const PROOF_MAX = 64;

/** A list of hashes in base64 as bytes; null for anything else. */
export function proofOf(list) {
  if (!Array.isArray(list) || list.length > PROOF_MAX) return null;
  const hashes = list.map(hashFromBase64);
  return hashes.includes(null) ? null : hashes;
}

/**
 * Proves leaves of an export one by one against the root: by a proof of their own, or by the tile that the first of
 * its 256 leaves carried and proved.
 * Returns of `check`: what is wrong with the leaf; null if it is proven, undefined if nothing was there to prove it.
 */
export function createProofs({ size, root }) {
  let tile = null;

  function check(index, hash, { proof, tile: given }) {
    if (given !== undefined) {
      tile = provenTile(index, given, proof);
      if (tile === null)
        return `the tile of leaves ${index} to ${index + TILE_WIDTH - 1} or its proof is false`;
    }
    if (tile !== null && index >= tile.from && index < tile.from + TILE_WIDTH) {
      const expected = tile.hashes[index - tile.from];
      if (!hash.equals(expected)) return "it is not the leaf that the log holds here";
    }
    if (proof === undefined)
      return tile === null || index >= tile.from + TILE_WIDTH ? undefined : null;
    const path = proofOf(proof);
    const isIn = path !== null && includes({ index: BigInt(index), size, hash, proof: path, root });
    return isIn ? null : "its proof does not lead to the root";
  }

  function provenTile(from, encoded, proof) {
    const bytes = fromBase64(encoded);
    const path = proofOf(proof);
    const isWhole = from % TILE_WIDTH === 0 && BigInt(from + TILE_WIDTH) <= size;
    if (bytes?.length !== TILE_WIDTH * 32 || path === null || !isWhole) return null;
    const hashes = Array.from({ length: TILE_WIDTH }, (_, i) =>
      bytes.subarray(32 * i, 32 * (i + 1)),
    );
    const level = BigInt(TILE_HEIGHT);
    const above = {
      index: BigInt(from) >> level,
      size: ((size - 1n) >> level) + 1n,
      hash: subtreeRoot(hashes),
      proof: path.slice(TILE_HEIGHT),
      root,
    };
    return includes(above) ? { from, hashes } : null;
  }

  return check;
}
