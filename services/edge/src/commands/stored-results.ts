import type { SessionCommandResult } from "@vigie/schemas/types";
import { nameUuid, tenantUuid } from "@vigie/service-kit/ids";
import type { Database } from "@vigie/service-kit/postgres/database";
import type { CommandState } from "./commander.ts";

interface Row {
  readonly command_id: string;
  readonly batch_id: string | null;
  readonly user_key: string;
  readonly decided_at: Date | null;
  readonly revoked_session_keys: readonly string[] | null;
  readonly already_ended: number | null;
}

const FIND = `
  select command_id, batch_id, user_key, decided_at, revoked_session_keys, already_ended
    from session_commands where tenant_id = $1 and id = $2`;

/** What the read model knows of a command; null: nothing, or nothing yet. */
export async function readResult(
  database: Database,
  tenantId: string,
  commandId: string,
): Promise<CommandState | null> {
  const ids = [tenantUuid(tenantId), nameUuid(tenantId, "command", commandId)];
  const { rows } = await database.inTenant(tenantId, (tx) => tx.query<Row>(FIND, ids));
  const [row] = rows;
  if (row === undefined) return null;
  const owner = { tenantId, userId: row.user_key };
  if (row.decided_at === null) return { kind: "pending", owner };
  return { kind: "done", owner, result: resultOf(tenantId, row, row.decided_at) };
}

const resultOf = (tenantId: string, row: Row, decidedAt: Date): SessionCommandResult => ({
  command_id: row.command_id,
  batch_id: row.batch_id,
  tenant_id: tenantId,
  user_id: row.user_key,
  revoked_session_ids: row.revoked_session_keys ?? [],
  already_ended: row.already_ended ?? 0,
  decided_at: decidedAt.getTime(),
});

const BATCH = `
  select count(*)::int as commands, count(decided_at)::int as decided,
         coalesce(sum(jsonb_array_length(revoked_session_keys)), 0)::int as terminated
    from session_commands where tenant_id = $1 and batch_id = $2`;

export interface BatchState {
  readonly commands: number;
  readonly decided: number;
  readonly terminated: number;
}

/** How far the commands of a batch are, as far as the read model has heard of them. */
export async function readBatch(
  database: Database,
  tenantId: string,
  batchId: string,
): Promise<BatchState | null> {
  const ids = [tenantUuid(tenantId), batchId];
  const { rows } = await database.inTenant(tenantId, (tx) => tx.query<BatchState>(BATCH, ids));
  const [state] = rows;
  return state === undefined || state.commands === 0 ? null : state;
}
