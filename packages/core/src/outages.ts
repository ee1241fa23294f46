/** A time in which our own edge or broker was away, so that nothing could be seen of anybody. */
export interface Outage {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Oldest first, not overlapping. */
export type Outages = readonly Outage[];

export const noOutages: Outages = [];
