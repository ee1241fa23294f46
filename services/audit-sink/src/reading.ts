import { MINUTE_MS } from "@vigie/core/time";
import type { StreamObserver } from "@vigie/stream/observer";
import { GRACE_MS } from "./emitters.ts";

/** How long the log has been read, by the sink's clock. */
export interface Reading {
  /** When the last longer pause ended. */
  readonly sinceMs: number;
  readonly atMs: number;
}

/** Of four looks for what is missed, which are writes as well, not one came. Source: GAPS_EVERY_MS of app.ts. */
export const PAUSE_MAX_MS = MINUTE_MS;

/** The reading with one more write. A clock that was set to another time counts as a pause. */
export const readOn = ({ sinceMs, atMs }: Reading, nowMs: number): Reading => ({
  sinceMs: Math.abs(nowMs - atMs) > PAUSE_MAX_MS ? nowMs : sinceMs,
  atMs: nowMs,
});

/** Behind a pause what is missed may have come meanwhile, and lie in what is still to be read. */
export const mayGiveUp = ({ sinceMs, atMs }: Reading): boolean => atMs - sinceMs >= GRACE_MS;

/** Whether the broker answers, as the reader tells it: while it does not, no look for what is missed counts as reading. */
export function listenForBroker() {
  let up = false;
  return {
    isUp: (): boolean => up,
    observer: (inner: StreamObserver): StreamObserver => ({
      ...inner,
      dependency(event) {
        if (event.name === "kafka") up = event.up;
        inner.dependency(event);
      },
    }),
  };
}
