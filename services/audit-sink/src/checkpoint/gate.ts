import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { behind, type Fence, holdAgainst, isBroken, readHeld } from "./fence.ts";
import type { SignedCheckpoint, TrustedKeys } from "./keys.ts";
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
  /** Closes it until a check finds all well: somebody else has found the log at fault. */
  close(fault: VigError): void;
  /** A newer checkpoint is known. */
  signed(checkpoint: SignedCheckpoint): void;
  /** Whether the last check found all well, and nobody anything else since. */
  isOpen(): boolean;
  /**
   * To be asked under the lock of the head, with the tree's size before the append: by then no other copy of the
   * database can come in between. Throws: what the last check found, VIG_AUDIT_TREE_BEHIND.
   */
  admit(size: bigint): void;
}

export interface GateOptions {
  readonly tree: LogTree;
  readonly places: readonly Pick<Place, "name" | "newest">[];
  readonly keys: TrustedKeys;
  readonly log: Logger;
  /** For health: told when it opens and closes. */
  readonly onState: (open: boolean, why?: string) => void;
}

export function createGate({ tree, places, keys, log, onState }: GateOptions): Gate {
  let fault: VigError | null = notRead();
  let newest: SignedCheckpoint | null = null;

  function close(found: VigError): void {
    // Once for each fault, not each time that it is found again.
    if (fault?.message !== found.message) {
      log.fatal({ code: found.code, why: found.message }, "audit_log_refused");
      onState(false, found.message);
    }
    fault = found;
  }

  function signed(checkpoint: SignedCheckpoint): void {
    if (newest === null || checkpoint.size > newest.size) newest = checkpoint;
  }

  return {
    close,
    signed,
    isOpen: () => fault === null,
    admit(size) {
      if (fault === null && newest !== null && size < newest.size) {
        close(behind(size, newest, "append"));
      }
      if (fault !== null) throw fault;
    },
    async check() {
      try {
        const fence = await holdAgainst(tree, await readHeld(places, keys));
        if (fence.checkpoint !== null) signed(fence.checkpoint);
        if (fault !== null) log.info({ was: fault.message }, "audit_log_accepted");
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

/** Nothing is appended before the first check. */
const notRead = (): VigError =>
  new VigError("VIG_AUDIT_FENCE_UNREADABLE", { where: "all places", why: "it was not read yet" });
