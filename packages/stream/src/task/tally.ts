import type { VigCode } from "@vigie/core/catalogue";
import { type DropReason, dropReasons } from "@vigie/core/outcome";
import type { Tally } from "../observer.ts";

export const emptyTally = (): Tally => ({
  consumed: 0,
  ok: 0,
  redirected: 0,
  dropped: {},
  dlq: {},
});

export function countDrop(tally: Tally, reason: DropReason): void {
  tally.dropped[reason] = (tally.dropped[reason] ?? 0) + 1;
}

export function countDeadLetter(tally: Tally, code: VigCode): void {
  tally.dlq[code] = (tally.dlq[code] ?? 0) + 1;
}

export function addTally(sum: Tally, more: Tally): void {
  sum.consumed += more.consumed;
  sum.ok += more.ok;
  sum.redirected += more.redirected;
  for (const [reason, count] of Object.entries(more.dropped) as [DropReason, number][]) {
    sum.dropped[reason] = (sum.dropped[reason] ?? 0) + count;
  }
  for (const [code, count] of Object.entries(more.dlq) as [VigCode, number][]) {
    sum.dlq[code] = (sum.dlq[code] ?? 0) + count;
  }
}

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Every consumed record has exactly one fate. */
export const isBalanced = (tally: Tally): boolean =>
  tally.consumed === tally.ok + tally.redirected + sumOf(tally.dropped) + sumOf(tally.dlq);

/** Whether somebody should look: dead letters, or drops for a reason that is not intended. */
export const needsALook = (tally: Tally): boolean =>
  sumOf(tally.dlq) > 0 ||
  (Object.keys(tally.dropped) as DropReason[]).some((reason) => !dropReasons[reason].intentional);
