import { userKey } from "@vigie/core/keys";
import type { Encoder } from "@vigie/schemas/codec-core";
import type { ActorRef, SubjectErasure } from "@vigie/schemas/types";
import { nameUuid, tenantUuid } from "@vigie/service-kit/ids";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { lockName } from "@vigie/service-kit/postgres/locks";
import { enqueue } from "@vigie/service-kit/postgres/outbox";
import { EDGE_PART, expectedParts } from "./parts.ts";

export interface ErasureWish {
  readonly erasureId: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly actor: ActorRef;
}

export interface ErasureFacts {
  readonly erasureId: string;
  readonly requestedAtMs: number;
  /** When each part was done, ms. */
  readonly doneAtMs: ReadonlyMap<string, number>;
}

/** Every call throws VIG_DATABASE_AWAY. */
export interface ErasureBook {
  /**
   * Puts a request on its way, unless one of the same person is under way: then that one. Either is put on record
   * first, by `record`, which returns the time up to which is erased; when it throws nothing is begun.
   */
  begin(wish: ErasureWish, record: (erasureId: string) => Promise<number>): Promise<ErasureFacts>;
  find(tenantId: string, erasureId: string): Promise<ErasureFacts | null>;
  newestOf(tenantId: string, userId: string): Promise<ErasureFacts | null>;
}

const FACTS = `
  select erasure_id, extract(epoch from requested_at)::float8 * 1000 as requested_at_ms,
         coalesce((select jsonb_object_agg(part, extract(epoch from done_at) * 1000)
                     from erasure_parts told
                    where told.tenant_id = erasures.tenant_id
                      and told.erasure_id = erasures.erasure_id), '{}') as done
    from erasures where tenant_id = $1`;
const BY_ID = `${FACTS} and erasure_id = $2`;
const NEWEST = `${FACTS} and subject_id = $2 order by requested_at desc, erasure_id limit 1`;
const ADD = `
  insert into erasures (tenant_id, erasure_id, subject_id, requested_at)
  values ($1, $2, $3, $4)`;
const UNTOLD = `
  insert into erasures_untold (tenant_id, tenant_key, erasure_id) values ($1, $2, $3)`;
const DONE = `insert into erasure_parts (tenant_id, erasure_id, part) values ($1, $2, $3)`;
/** $1 tenant, $2 the person's id: where they decided over others. */
const UNNAME = [
  "update epoch_decisions set actor_id = 'erased' where tenant_id = $1 and actor_id = $2",
  "update session_policies set updated_by = 'erased' where tenant_id = $1 and updated_by = $2",
  "update session_anomaly_verdicts set actor_id = 'erased' where tenant_id = $1 and actor_id = $2",
];

export function createErasureBook(
  database: Database,
  encoder: Encoder<SubjectErasure>,
): ErasureBook {
  return {
    begin: (wish, record) =>
      database.inTenant(wish.tenantId, async (tx) => {
        const { tenantId, userId } = wish;
        await lockName(tx, "erasures", userKey(tenantId, userId));
        const before = await newest(tx, tenantId, userId);
        if (before !== null && isUnderWay(before)) {
          await record(before.erasureId);
          return before;
        }
        const requestedAtMs = await record(wish.erasureId);
        await add(tx, { ...wish, requestedAtMs }, encoder);
        const added = await factsOf(tx, tenantId, wish.erasureId);
        return added ?? { ...wish, requestedAtMs, doneAtMs: new Map() };
      }),
    find: (tenantId, erasureId) =>
      database.inTenant(tenantId, (tx) => factsOf(tx, tenantId, erasureId)),
    newestOf: (tenantId, userId) =>
      database.inTenant(tenantId, (tx) => newest(tx, tenantId, userId)),
  };
}

export const isUnderWay = ({ doneAtMs }: ErasureFacts): boolean =>
  expectedParts.some((part) => !doneAtMs.has(part));

async function add(
  tx: Queryable,
  wish: ErasureWish & Pick<ErasureFacts, "requestedAtMs">,
  encoder: Encoder<SubjectErasure>,
): Promise<void> {
  const { erasureId, tenantId, userId, requestedAtMs, actor } = wish;
  const tenant = tenantUuid(tenantId);
  const requestedAt = new Date(requestedAtMs).toISOString();
  await tx.query(ADD, [tenant, erasureId, subjectUuid(tenantId, userId), requestedAt]);
  for (const statement of UNNAME) await tx.query(statement, [tenant, userId]);
  await tx.query(DONE, [tenant, erasureId, EDGE_PART]);
  await tx.query(UNTOLD, [tenant, tenantId, erasureId]);
  const value = encoder.encode({
    erasure_id: erasureId,
    tenant_id: tenantId,
    user_id: userId,
    requested_at: requestedAtMs,
    actor,
  });
  await enqueue(tx, { topic: "id.subject.erasure", key: userKey(tenantId, userId), value });
}

/** The name of a person in the table, which tells nobody who it was. */
const subjectUuid = (tenantId: string, userId: string): string =>
  nameUuid(tenantId, "subject", userId);

export const factsOf = (tx: Queryable, tenantId: string, erasureId: string) =>
  read(tx, BY_ID, [tenantUuid(tenantId), erasureId]);

const newest = (tx: Queryable, tenantId: string, userId: string) =>
  read(tx, NEWEST, [tenantUuid(tenantId), subjectUuid(tenantId, userId)]);

interface Row {
  readonly erasure_id: string;
  readonly requested_at_ms: number;
  readonly done: Readonly<Record<string, number>>;
}

async function read(
  tx: Queryable,
  statement: string,
  values: readonly string[],
): Promise<ErasureFacts | null> {
  const { rows } = await tx.query<Row>(statement, values);
  const [row] = rows;
  if (row === undefined) return null;
  return {
    erasureId: row.erasure_id,
    requestedAtMs: Math.round(row.requested_at_ms),
    doneAtMs: new Map(Object.entries(row.done)),
  };
}
