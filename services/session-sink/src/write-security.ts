import type { Queryable } from "@vigie/service-kit/postgres/database";
import { put, putReturning } from "@vigie/service-kit/postgres/unnest";
import type { Batch } from "./batch.ts";
import {
  ackColumns,
  commandColumns,
  decisionColumns,
  epochColumns,
  erasurePartColumns,
  pointColumns,
  policyChangeColumns,
  resultColumns,
  type SecurityEventRow,
  securityEventColumns,
} from "./rows/columns-security.ts";

/** How long an enforcement point took to act on a revocation. */
export interface AckDelay {
  readonly enforcement_point: string;
  readonly delay_ms: number;
}

/** The other half may be there; a half that is there stays. */
const COMMANDS = `
  insert into session_commands as held (${commandColumns.names})
  select ${commandColumns.names} from ${commandColumns.from}
  on conflict (id) do update set noted_at = least(held.noted_at, excluded.noted_at),
    ${commandColumns.columns
      .filter((name) => !["id", "tenant_id", "user_id", "noted_at"].includes(name))
      .map((name) => `${name} = excluded.${name}`)
      .join(", ")}
  where held.requested_at is null`;
const RESULTS = `
  insert into session_commands as held (${resultColumns.names})
  select ${resultColumns.names} from ${resultColumns.from}
  on conflict (id) do update set
    decided_at = excluded.decided_at, revoked_session_keys = excluded.revoked_session_keys,
    already_ended = excluded.already_ended
  where held.decided_at is null`;
const DECISIONS = `
  insert into session_risk_decisions (${decisionColumns.names})
  select ${decisionColumns.names} from ${decisionColumns.from} on conflict do nothing`;
const EPOCHS = `
  insert into session_epochs as held (${epochColumns.names})
  select ${epochColumns.names} from ${epochColumns.from}
  on conflict (tenant_id, scope, value) do update set epoch_id = excluded.epoch_id,
    not_before = excluded.not_before, reason = excluded.reason,
    actor_type = excluded.actor_type, actor_id = excluded.actor_id
  where held.not_before < excluded.not_before`;
const POLICY_CHANGES = `
  insert into session_policy_changes (${policyChangeColumns.names})
  select ${policyChangeColumns.names} from ${policyChangeColumns.from} on conflict do nothing`;
const SECURITY_EVENTS = `
  insert into session_security_events (${securityEventColumns.names}, retracted_at)
  select ${securityEventColumns.names}, retracted_at
    from ${securityEventColumns.from}
    left join session_anomaly_retractions using (tenant_id, user_id, id)
  on conflict do nothing`;
const ERASURE_PARTS = `
  insert into erasure_parts (${erasurePartColumns.names})
  select ${erasurePartColumns.names} from ${erasurePartColumns.from} on conflict do nothing`;
const POINTS = `
  insert into enforcement_points as held (${pointColumns.names})
  select ${pointColumns.names} from ${pointColumns.from} order by tenant_id, name
  on conflict (tenant_id, name) do update set last_acted_at = excluded.last_acted_at
  where held.last_acted_at < excluded.last_acted_at`;

/** A point's clock may be behind the broker's; null while the revocation is not there. */
const delayMs = (actedAt: string, revokedAt: string): string =>
  `(extract(epoch from greatest(${actedAt} - ${revokedAt},
      case when ${revokedAt} is not null then interval '0' end)) * 1000)::bigint`;

/** The first time that a point acted counts; xmax is 0 of a row that this statement made. */
const ACKS = `
  insert into session_revocation_acks as held (${ackColumns.names}, revoked_at, delay_ms)
  select given.tenant_id, given.revocation, given.enforcement_point, given.revocation_id,
         given.acted_at, told.revoked_at, ${delayMs("given.acted_at", "told.revoked_at")}
    from ${ackColumns.from}
    left join session_revocations told
      on told.id = given.revocation and told.tenant_id = given.tenant_id
  on conflict (tenant_id, revocation, enforcement_point) do update set
    acted_at = excluded.acted_at, delay_ms = ${delayMs("excluded.acted_at", "held.revoked_at")}
  where held.acted_at > excluded.acted_at
  returning enforcement_point, case when held.xmax = 0 then delay_ms end as delay_ms`;

/** Acknowledgements that came before their revocation. $1: the ids of revocations. */
const LATE = `
  update session_revocation_acks held
     set revoked_at = told.revoked_at, delay_ms = ${delayMs("held.acted_at", "told.revoked_at")}
    from session_revocations told
   where told.id = any($1::uuid[]) and held.tenant_id = told.tenant_id
     and held.revocation = told.id and held.revoked_at is null
  returning held.enforcement_point, held.delay_ms`;

/** After the batch's revocations. Returns: the delays that are known now. */
export async function writeCommands(tx: Queryable, batch: Batch): Promise<readonly AckDelay[]> {
  await put(tx, COMMANDS, commandColumns, batch.commands.values());
  await put(tx, RESULTS, resultColumns, batch.results.values());
  await put(tx, DECISIONS, decisionColumns, batch.decisions.values());
  await put(tx, EPOCHS, epochColumns, batch.epochs.values());
  await put(tx, POLICY_CHANGES, policyChangeColumns, batch.policyChanges.values());
  await put(tx, ERASURE_PARTS, erasurePartColumns, batch.erasureParts.values());
  await put(tx, POINTS, pointColumns, batch.points.values());
  const late =
    batch.revocations.size === 0
      ? []
      : (await tx.query<AckDelay>(LATE, [[...batch.revocations.keys()]])).rows;
  type Given = { readonly enforcement_point: string; readonly delay_ms: number | null };
  const acks = await putReturning<Given>(tx, ACKS, ackColumns, batch.acks.values());
  const isKnown = (ack: Given): ack is AckDelay => ack.delay_ms !== null;
  return [...late, ...acks.filter(isKnown)];
}

/** Returns: how many were not there. */
export const writeSecurityEvents = (
  tx: Queryable,
  rows: Iterable<SecurityEventRow>,
): Promise<number> => put(tx, SECURITY_EVENTS, securityEventColumns, rows);
