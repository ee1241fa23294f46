import { assert } from "@vigie/core/assert";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";

/** Source: the issue: 5 tries a user. */
export const TRIES_MAX = 5;

const FIRST_MS = 15 * MINUTE_MS;
const GROWTH = 4;
const LONGEST_MS = 30 * DAY_MS;

/**
 * How long a PIN is locked after `TRIES_MAX` wrong tries, when it was locked `before` times since it was last right.
 * 15 min, 1 h, 4 h, 16 h, 64 h, 10.7 days, then 30 days each: who only guesses has 90 tries in a year, fewer than the
 * 100 of NIST SP 800-63B-4 section 3.2.2, of 10,000 PINs or more.
 */
export function lockMs(before: number): number {
  assert(Number.isInteger(before) && before >= 0, "locks are counted");
  return Math.min(FIRST_MS * GROWTH ** before, LONGEST_MS);
}
