import type { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Sink } from "@vigie/stream/kafka/sink";
import { type Fence, holdAgainst, isBroken, readHeld } from "./fence.ts";
import type { LogKeys } from "./keys.ts";
import type { Place } from "./place.ts";
import type { LogTree } from "./tree.ts";

/** Whether the log may be appended to: only while its tree holds everything that was signed. */
export interface Gate {
  /**
   * Holds the tree against every checkpoint that is kept anywhere.
   * Throws: VIG_AUDIT_TREE_BEHIND, VIG_AUDIT_FORKED, VIG_AUDIT_FENCE_UNREADABLE, and then it stays closed until a later
   * check finds all well; what is away, which changes nothing.
   */
  check(): Promise<Fence>;
  /** Throws what the last check found. */
  assertOpen(): void;
  /** Closes it until a check finds all well: somebody else has found the log at fault. */
  close(fault: VigError): void;
}

export interface GateOptions {
  readonly tree: LogTree;
  readonly places: readonly Pick<Place, "name" | "newest">[];
  readonly keys: LogKeys;
  readonly log: Logger;
  /** For health: told when it opens and closes. */
  readonly onState: (open: boolean, why?: string) => void;
}

export function createGate({ tree, places, keys, log, onState }: GateOptions): Gate {
  let fault: VigError | null = null;

  function close(found: VigError): void {
    // Once for each fault, not each time that it is found again.
    if (fault?.code !== found.code) {
      log.fatal({ code: found.code, why: found.message }, "audit_log_refused");
      onState(false, found.message);
    }
    fault = found;
  }

  return {
    close,
    assertOpen() {
      if (fault !== null) throw fault;
    },
    async check() {
      try {
        const fence = await holdAgainst(tree, await readHeld(places, keys));
        if (fault !== null) log.warn({ code: fault.code }, "audit_log_accepted_again");
        fault = null;
        onState(true);
        return fence;
      } catch (error) {
        if (isBroken(error)) close(error);
        throw error;
      }
    },
  };
}

/** A sink that writes nothing to a log that is older than what was signed, or another one. */
export const behindGate = (sink: Sink, gate: Gate): Sink => ({
  ...sink,
  async assigned(partitions) {
    await gate.check();
    return sink.assigned(partitions);
  },
  async write(batch, next) {
    gate.assertOpen();
    const said = await sink.write(batch, next);
    // The database holds less than it was given: an older copy of it, perhaps.
    if (said !== undefined) await gate.check();
    return said;
  },
});
