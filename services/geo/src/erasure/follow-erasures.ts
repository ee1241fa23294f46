import { MINUTE_MS } from "@vigie/core/time";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { SubjectErasure } from "@vigie/schemas/types";
import { nameUuid, tenantUuid } from "@vigie/service-kit/ids";
import { enterTenant, type Queryable } from "@vigie/service-kit/postgres/database";
import { type RecordTaker, recordTaker } from "@vigie/service-kit/record-sink";
import type { Person } from "#person";
import type { Eraser } from "./eraser.ts";

/** The name under which geo says that it has erased. */
const PART = "geo";
/** Rows are dated by other clocks than the request. Source: DESIGN, what is wrong with a record. */
export const CLOCKS_APART_MS = 5 * MINUTE_MS;

const DONE = `
  insert into erasure_parts (tenant_id, erasure_id, part) values ($1, $2, '${PART}')
  on conflict do nothing`;

/** PRV-14: erases whoever is asked for, and says so in `erasure_parts`. Again it changes nothing. */
export const erasureTaker = (codecs: Codecs, eraser: Eraser): RecordTaker =>
  recordTaker<SubjectErasure>(codecs, "id.subject.erasure", async (tx, request, record) => {
    const { tenant_id: tenantId, user_id: userId, erasure_id: erasureId } = request;
    await enterTenant(tx, tenantId);
    // Nobody's future is erased.
    const untilMs = Math.min(request.requested_at, record.timestampMs) + CLOCKS_APART_MS;
    await eraser.subject(tx, { tenantId, userId }, untilMs);
    await tx.query(DONE, [tenantUuid(tenantId), erasureId]);
  });

const UNTIL = `
  select coalesce(extract(epoch from max(requested_at)), 0)::float8 * 1000 as until_ms
    from erasures where tenant_id = $1 and subject_id = $2`;

/**
 * Whether what happened at this time was erased with its person: then it is not taken in again, however late it
 * comes. `tx` is a transaction in the person's tenant.
 */
export async function isErased(
  tx: Queryable,
  { tenantId, userId }: Person,
  atMs: number,
): Promise<boolean> {
  const values = [tenantUuid(tenantId), nameUuid(tenantId, "subject", userId)];
  const { rows } = await tx.query<{ readonly until_ms: number }>(UNTIL, values);
  return atMs <= (rows[0]?.until_ms ?? 0);
}
