import { setTimeout as sleep } from "node:timers/promises";
import { VigError } from "@vigie/core/errors";

const POLL_MS = 10;

/** Waits until `probe` gives a value. Throws: VIG_INVARIANT that names what did not come in time. */
export async function waitFor<T>(
  probe: () => T | undefined | Promise<T | undefined>,
  about: { readonly what: string; readonly deadlineMs: number; readonly state?: () => string },
): Promise<T> {
  const untilMs = performance.now() + about.deadlineMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > untilMs) {
      const state = about.state === undefined ? "" : ` (by then: ${about.state()})`;
      const what = `${about.what} within ${about.deadlineMs / 1_000} s${state}`;
      throw new VigError("VIG_INVARIANT", { what });
    }
    await sleep(POLL_MS);
  }
}
