import { messageOf } from "@vigie/core/errors";
import { SECOND_MS } from "@vigie/core/time";
import type { Health } from "./health.ts";
import type { Job } from "./jobs.ts";

const PING_EVERY_MS = 5 * SECOND_MS;

interface Pinged {
  ping(): Promise<unknown>;
}

/** Looks whether stores answer, and tells the health under their names, without which a service goes on. */
export function pingJobs(stores: Readonly<Record<string, Pinged>>, health: Health): Job[] {
  return Object.entries(stores).map(([name, store]) => {
    health.declare(name, { needed: false });
    const run = (): Promise<void> =>
      store.ping().then(
        () => health.set(name, true),
        (error: unknown) => health.set(name, false, messageOf(error)),
      );
    return { name: `ping_${name}`, everyMs: PING_EVERY_MS, run };
  });
}
