import { randomInt } from "node:crypto";

/**
 * Of FNV-1a, 32 bits: what a hash begins with, and its prime. Source: Fowler, Noll, Vo; public domain. Tables draw another
 * beginning, since tenants choose the names of their users: keys of one hash, chosen beforehand, would make every look-up
 * pass all of them.
 */
export const FNV_BASIS = 0x811c9dc5 | 0;
const FNV_PRIME = 16_777_619;
export const drawBasis = (): number => randomInt(2 ** 32) | 0;

/**
 * A hash with one more byte, or UTF-16 code unit, in it. Not FNV-1a alone, where only the lowest byte of a beginning
 * decides which keys of one length have one hash: so the high bits are brought down to where the next byte goes.
 */
export function hashedWith(hash: number, unit: number): number {
  const next = Math.imul(hash ^ unit, FNV_PRIME);
  return next ^ (next >>> 15);
}

/** Source: the prime next to 2^32 over the golden ratio (Knuth, The Art of Computer Programming, volume 3, 6.4). */
const GOLDEN = 0x9e3779b1 | 0;

/** A hash with its entropy in the highest bits, from which tables take the place of a key. */
export const scattered = (hash: number): number => Math.imul(hash, GOLDEN);
