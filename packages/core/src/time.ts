export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

export const hoursFromMs = (ms: number): number => ms / HOUR_MS;

/** Milliseconds since the epoch; passed in wherever time matters, so that tests and replays own it. */
export type Clock = () => number;
