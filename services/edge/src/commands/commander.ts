import { userKey } from "@vigie/core/keys";
import type { Actor, SessionCommand, SessionCommandResult } from "@vigie/schemas/types";
import type { EdgeContext } from "../context.ts";
import { fieldsOf, type Target } from "./command.ts";
import { Once } from "./once.ts";
import { readResult } from "./stored-results.ts";

/** A command as the edge gives it. */
export interface Order {
  /** The same id again has no further effect and gets the first result. */
  readonly commandId: string;
  readonly batchId?: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly target: Target;
  readonly reason: string;
  readonly actor: Actor;
}

/** Whose command it was. */
export interface Owner {
  readonly tenantId: string;
  readonly userId: string;
}

export type CommandState =
  | { readonly kind: "done"; readonly owner: Owner; readonly result: SessionCommandResult }
  | { readonly kind: "pending"; readonly owner: Owner };

export interface Commander {
  /**
   * Resolves once the broker has the command; one of a known id is not sent again.
   * Throws: VIG_BROKER_AWAY, VIG_BUFFER_FULL.
   */
  send(order: Order): Promise<Owner>;
  /** Waits a moment for what it did; null: nobody has told by then. */
  outcome(order: Order): Promise<SessionCommandResult | null>;
  /** What is known of a command of any edge; null: nothing. */
  stateOf(tenantId: string, commandId: string): Promise<CommandState | null>;
}

type Needed = Pick<
  EdgeContext,
  "output" | "codecs" | "clock" | "database" | "outcomes" | "commandWaitMs"
>;

export function createCommander(context: Needed): Commander {
  const { output, clock, database, outcomes, commandWaitMs } = context;
  const encoder = context.codecs.encoder<SessionCommand>("id.session.command");
  const sent = new Once<Owner>();

  async function publish(order: Order): Promise<Owner> {
    const { tenantId, userId } = order;
    const value = encoder.encode(recordOf(order, clock()));
    await output.publish({ topic: "id.session.command", key: userKey(tenantId, userId), value });
    return { tenantId, userId };
  }

  /** What PostgreSQL knows; its sessions are denied before anybody is told. */
  async function stored(tenantId: string, commandId: string): Promise<CommandState | null> {
    if (database === null) return null;
    const state = await readResult(database, tenantId, commandId);
    if (state?.kind === "done") outcomes.denied.takeResult(state.result);
    return state;
  }

  return {
    send: (order) => sent.run(order.commandId, () => publish(order)),
    async outcome({ tenantId, commandId }) {
      const told = await outcomes.commands.wait(commandId, commandWaitMs);
      if (told !== null) return told;
      // A repetition of what was answered before this edge began to listen.
      const state = await stored(tenantId, commandId).catch(() => null);
      return state?.kind === "done" ? state.result : null;
    },
    async stateOf(tenantId, commandId) {
      const result = outcomes.commands.find(commandId);
      if (result !== null) return { kind: "done", owner: ownerOf(result), result };
      const known = await stored(tenantId, commandId);
      if (known !== null) return known;
      const owner = await sent.find(commandId);
      return owner === undefined ? null : { kind: "pending", owner };
    },
  };
}

const recordOf = (order: Order, nowMs: number): SessionCommand => ({
  command_id: order.commandId,
  batch_id: order.batchId ?? null,
  tenant_id: order.tenantId,
  user_id: order.userId,
  requested_at: nowMs,
  ...fieldsOf(order.target),
  reason: order.reason,
  actor: order.actor,
});

export const ownerOf = (result: SessionCommandResult): Owner => ({
  tenantId: result.tenant_id,
  userId: result.user_id,
});
