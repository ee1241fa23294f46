import { userKey } from "@vigie/core/keys";
import type { Encoder } from "@vigie/schemas/codec-core";
import type { ActorRef, AnomalyLabel } from "@vigie/schemas/types";
import { nameUuid, tenantUuid } from "@vigie/service-kit/ids";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { lockName } from "@vigie/service-kit/postgres/locks";
import { enqueue } from "@vigie/service-kit/postgres/outbox";

/** An anomaly of a tenant, and whom it concerns as events name them. */
export interface KnownAnomaly {
  readonly tenantId: string;
  readonly anomalyId: string;
  readonly userId: string;
}

export interface Verdict {
  readonly label: "TRUE_POSITIVE" | "FALSE_POSITIVE";
  /** Why, in somebody's own words; null: not said. */
  readonly note: string | null;
  readonly actor: ActorRef;
  readonly nowMs: number;
}

/** Every call throws VIG_DATABASE_AWAY. */
export interface VerdictBook {
  /** An anomaly of this tenant; null: it has none of this id. */
  find(tenantId: string, anomalyId: string): Promise<KnownAnomaly | null>;
  /**
   * Keeps a verdict and publishes it, both or neither. Returns: its time, ms, later than that of the one before;
   * null: the anomaly has gone meanwhile.
   */
  add(anomaly: KnownAnomaly, verdict: Verdict): Promise<number | null>;
}

const FIND = `
  select external_id as user_id from session_anomalies anomaly
    join users on users.tenant_id = anomaly.tenant_id and users.id = anomaly.user_id
   where anomaly.tenant_id = $1 and anomaly.id = $2`;
/** Clocks of two edges differ, and the newest verdict counts by its time wherever it is read. */
const ADD = `
  insert into session_anomaly_verdicts
    (id, tenant_id, user_id, anomaly_id, label, note, labelled_at, actor_type, actor_id)
  select id, tenant_id, user_id, anomaly_id, $3, $4,
         greatest($5::timestamp, (select max(before.labelled_at) + interval '1 ms'
                                    from session_anomaly_verdicts before
                                   where before.id = anomaly.id)), $6, $7
    from session_anomalies anomaly where tenant_id = $1 and id = $2
  returning labelled_at`;

export function createVerdictBook(database: Database, encoder: Encoder<AnomalyLabel>): VerdictBook {
  return {
    find: (tenantId, anomalyId) =>
      database.inTenant(tenantId, async (tx) => {
        const { rows } = await tx.query<{ readonly user_id: string }>(FIND, [
          tenantUuid(tenantId),
          nameUuid(tenantId, "anomaly", anomalyId),
        ]);
        const [row] = rows;
        return row === undefined ? null : { tenantId, anomalyId, userId: row.user_id };
      }),
    add: (anomaly, verdict) =>
      database.inTenant(anomaly.tenantId, async (tx) => {
        await lockName(tx, "verdicts", `${anomaly.tenantId}|${anomaly.anomalyId}`);
        const labelledAtMs = await keep(tx, anomaly, verdict);
        if (labelledAtMs === null) return null;
        const { tenantId, userId, anomalyId } = anomaly;
        const { label, note, actor } = verdict;
        const value = encoder.encode({
          anomaly_id: anomalyId,
          tenant_id: tenantId,
          user_id: userId,
          label,
          note,
          labelled_at: labelledAtMs,
          actor,
        });
        await enqueue(tx, { topic: "id.anomaly.label", key: userKey(tenantId, userId), value });
        return labelledAtMs;
      }),
  };
}

async function keep(
  tx: Queryable,
  { tenantId, anomalyId }: KnownAnomaly,
  { label, note, actor, nowMs }: Verdict,
): Promise<number | null> {
  const { rows } = await tx.query<{ readonly labelled_at: Date }>(ADD, [
    tenantUuid(tenantId),
    nameUuid(tenantId, "anomaly", anomalyId),
    label,
    note,
    new Date(nowMs).toISOString(),
    actor.type,
    actor.id,
  ]);
  return rows[0]?.labelled_at.getTime() ?? null;
}
