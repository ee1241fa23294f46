import { type EpochScope, epochKey } from "@vigie/core/epochs";
import type { Encoder } from "@vigie/schemas/codec-core";
import type { ActorRef, SessionEpoch } from "@vigie/schemas/types";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { lockName } from "@vigie/service-kit/postgres/locks";
import { enqueue } from "@vigie/service-kit/postgres/outbox";

/** A whole tenant, organisation, role or channel. */
export interface Scope {
  readonly tenantId: string;
  readonly scope: EpochScope;
  /** Null for the tenant. */
  readonly value: string | null;
}

export interface Decision extends Scope {
  readonly epochId: string;
  /** The broker's clock when the decision was put on record. */
  readonly notBeforeMs: number;
  readonly reason: string;
  readonly actor: ActorRef;
}

export interface Decided {
  readonly epochId: string;
  readonly notBeforeMs: number;
  /** False: a later epoch of the same scope was there already and covers this one. */
  readonly isGreatest: boolean;
}

export interface EpochBook {
  /** A decision of this id, if it was taken before. */
  find(tenantId: string, epochId: string): Promise<Decided | null>;
  /**
   * Takes it, once, and has it published if it is the greatest of its scope: readers fold by the greatest, and so
   * must a compacted topic, which keeps the last.
   * Throws: VIG_DATABASE_AWAY; then it was not taken, or was and is found by its id.
   */
  decide(decision: Decision): Promise<Decided>;
}

const EPOCH_TOPIC = "id.session.epoch";
const FIND = `
  select not_before_ms::float8 as not_before_ms,
         not_before_ms >= all (select other.not_before_ms from epoch_decisions other
                                where other.tenant_id = decision.tenant_id
                                  and other.scope = decision.scope
                                  and other.value = decision.value) as is_greatest
    from epoch_decisions decision where tenant_id = $1 and epoch_id = $2`;
const ADD = `
  insert into epoch_decisions
    (tenant_id, epoch_id, tenant_key, scope, value, not_before_ms, reason, actor_type, actor_id)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;

interface Found {
  readonly not_before_ms: number;
  readonly is_greatest: boolean;
}

export function createEpochBook(database: Database, encoder: Encoder<SessionEpoch>): EpochBook {
  return {
    find: (tenantId, epochId) => database.inTenant(tenantId, (tx) => find(tx, tenantId, epochId)),
    decide: (decision) =>
      database.inTenant(decision.tenantId, async (tx) => {
        const { tenantId, epochId } = decision;
        await lockName(tx, "epochs", epochKey(decision));
        const before = await find(tx, tenantId, epochId);
        if (before !== null) return before;
        await tx.query(ADD, valuesOf(decision));
        const added = await find(tx, tenantId, epochId);
        if (added?.isGreatest === true) await publish(tx, decision, encoder);
        return added ?? { epochId, notBeforeMs: decision.notBeforeMs, isGreatest: false };
      }),
  };
}

async function find(tx: Queryable, tenantId: string, epochId: string): Promise<Decided | null> {
  const { rows } = await tx.query<Found>(FIND, [tenantUuid(tenantId), epochId]);
  const [row] = rows;
  if (row === undefined) return null;
  return { epochId, notBeforeMs: row.not_before_ms, isGreatest: row.is_greatest };
}

const WAITING = "select from outbox where topic = $1 and key = $2 limit 1";

/** Whether the newest epoch of a scope lies on its topic: until then it waits in the outbox. */
export const isEpochPublished = (database: Database, scope: Scope): Promise<boolean> =>
  database.inTenant(scope.tenantId, async (tx) => {
    const { rows } = await tx.query(WAITING, [EPOCH_TOPIC, epochKey(scope)]);
    return rows.length === 0;
  });

const valuesOf = ({ actor, ...decision }: Decision): readonly unknown[] => [
  tenantUuid(decision.tenantId),
  decision.epochId,
  decision.tenantId,
  decision.scope,
  decision.value ?? "",
  decision.notBeforeMs,
  decision.reason,
  actor.type,
  actor.id,
];

function publish(tx: Queryable, decision: Decision, encoder: Encoder<SessionEpoch>): Promise<void> {
  const value = encoder.encode({
    epoch_id: decision.epochId,
    tenant_id: decision.tenantId,
    scope: decision.scope,
    value: decision.value,
    not_before: decision.notBeforeMs,
    reason: decision.reason,
    actor: decision.actor,
  });
  return enqueue(tx, { topic: EPOCH_TOPIC, key: epochKey(decision), value });
}
