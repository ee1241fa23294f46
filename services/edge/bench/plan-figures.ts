/** Pages of 8 KiB that plans touched: what is told of a whole one stands before what is told of its nodes. */
export function pagesOf(plans: readonly string[]): number {
  const counts = plans.map((plan) => {
    const said = /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/.exec(plan);
    return Number(said?.[1] ?? 0) + Number(said?.[2] ?? 0);
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

/** By nearest rank. */
export function shareOf(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN;
}
