/**
 * A seeded generator of numbers in [0, 1): the same seed gives the same sequence on every machine.
 * Source: mulberry32 (Tommy Ettinger, public domain).
 */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** A permutation of 0..count-1. */
export function shuffled(count: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const kept = order[i] as number;
    order[i] = order[j] as number;
    order[j] = kept;
  }
  return order;
}

const hex8 = (n: number): string => (n >>> 0).toString(16).padStart(8, "0");

/** A UUID of version 4's form out of four 32-bit numbers. */
export function uuidOf(a: number, b: number, c: number, d: number): string {
  const bc = hex8(b) + hex8(c);
  return `${hex8(a)}-${bc.slice(0, 4)}-4${bc.slice(5, 8)}-a${bc.slice(9, 12)}-${bc.slice(12)}${hex8(d)}`;
}

/** A well-mixed 32-bit hash of two numbers. Source: the finaliser of MurmurHash3. */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
