import { partitionOf } from "./keys.ts";
import { HOUR_MS, SECOND_MS } from "./time.ts";

/** A time in which our own edge or broker was away, so that nothing could be seen of anybody. */
export interface Outage {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Oldest first, not overlapping. */
export type Outages = readonly Outage[];

export const noOutages: Outages = [];

/** What the ticks of a partition have told; null: none was ever seen, so nothing is known of outages. */
export type Ticks = {
  /** Append time of the newest tick. */
  readonly lastMs: number;
  readonly outages: Outages;
} | null;

/** Every edge writes a tick to every partition this often: 100 bytes that tell that events could have come in. */
export const TICK_INTERVAL_MS = 5 * SECOND_MS;
/** A longer time without a tick is an outage: six were missed, which no rebalance or slow request explains. */
export const OUTAGE_MIN_MS = 30 * SECOND_MS;
/** Source: DESIGN, Sessions, Time: "2 h at most". */
export const OUTAGE_SHIFT_MAX_MS = 2 * HOUR_MS;
/** The newest are kept. An outage counts for sessions that were silent over it: a day at most. */
export const OUTAGES_MAX = 32;

/** The ticks with one more, by its append time. One that comes late tells nothing new. */
export function noteTick(ticks: Ticks, atMs: number): Ticks {
  if (ticks === null) return { lastMs: atMs, outages: noOutages };
  if (atMs <= ticks.lastMs) return ticks;
  return { lastMs: atMs, outages: outagesAt(ticks, atMs) };
}

/** The outages as they are known at `nowMs`, the one that is under way among them. */
export function outagesAt(ticks: Ticks, nowMs: number): Outages {
  if (ticks === null) return noOutages;
  const { lastMs, outages } = ticks;
  if (nowMs - lastMs <= OUTAGE_MIN_MS) return outages;
  return [...outages, { fromMs: lastMs, untilMs: nowMs }].slice(-OUTAGES_MAX);
}

/**
 * When a silence that began at `sinceMs` has lasted `timeoutMs`. While we were away nobody could be heard, so that
 * time does not count, OUTAGE_SHIFT_MAX_MS at most.
 */
export function silenceEndsAt(sinceMs: number, timeoutMs: number, outages: Outages): number {
  let endMs = sinceMs + timeoutMs;
  const latestMs = endMs + OUTAGE_SHIFT_MAX_MS;
  for (const { fromMs, untilMs } of outages) {
    if (fromMs >= endMs) break;
    endMs += Math.max(0, untilMs - Math.max(fromMs, sinceMs));
  }
  return Math.min(endMs, latestMs);
}

/** Up to when an edge has told that it was there. */
export const heardUntilMs = (ticks: Ticks, nowMs: number): number =>
  ticks === null ? nowMs : Math.min(nowMs, ticks.lastMs);

/** Whether a silence that ends at `endMs` fell into a time that may yet turn out to be an outage. */
export const mayBeUnheard = (endMs: number, heardMs: number, nowMs: number): boolean =>
  endMs > heardMs && nowMs - heardMs <= OUTAGE_MIN_MS;

/** A key for each partition of the tick topic that lies there, as records are found by their keys. */
export function tickKeys(partitions: number): readonly string[] {
  const keys = new Map<number, string>();
  for (let at = 0; keys.size < partitions; at++) {
    const partition = partitionOf(`tick-${at}`, partitions);
    if (!keys.has(partition)) keys.set(partition, `tick-${at}`);
  }
  return Array.from({ length: partitions }, (_, partition) => keys.get(partition) ?? "");
}
