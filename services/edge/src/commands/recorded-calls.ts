import { tenantUuid } from "@vigie/service-kit/ids";
import { type Database, isDatabaseAway } from "@vigie/service-kit/postgres/database";
import { lockName } from "@vigie/service-kit/postgres/locks";

/** A call that may come again, at any edge. */
export interface RepeatableCall {
  readonly tenantId: string;
  /** The same for a repetition. Up to 128 characters. */
  readonly name: string;
}

/** Source: results of commands are known for 24 h; who repeats a call later means it. */
const KNOWN_FOR = "interval '7 days'";
const FIND = `
  select recorded_at_ms::float8 as recorded_at_ms from admin_calls where tenant_id = $1 and call = $2`;
const ADD = "insert into admin_calls (tenant_id, call, recorded_at_ms) values ($1, $2, $3)";
const FORGET = `delete from admin_calls where tenant_id = $1 and noted_at < now() - ${KNOWN_FOR}`;

/**
 * Has a call put on record once, however many edges it comes to at once. While PostgreSQL is away it is put on record
 * each time: revoking goes on.
 * Returns: the broker's time of its record. Throws: what `record` throws; then the next one tries.
 */
export async function recordOnce(
  database: Database | null,
  { tenantId, name }: RepeatableCall,
  record: () => Promise<number>,
): Promise<number> {
  if (database === null) return record();
  let recordedAtMs: number | null = null;
  try {
    return await database.inTenant(tenantId, async (tx) => {
      await lockName(tx, "calls", `${tenantId}|${name}`);
      const call = [tenantUuid(tenantId), name];
      const { rows } = await tx.query<{ readonly recorded_at_ms: number }>(FIND, call);
      const [known] = rows;
      if (known !== undefined) return known.recorded_at_ms;
      recordedAtMs ??= await record();
      await tx.query(ADD, [...call, recordedAtMs]);
      await tx.query(FORGET, call.slice(0, 1));
      return recordedAtMs;
    });
  } catch (error) {
    if (isDatabaseAway(error)) return recordedAtMs ?? record();
    throw error;
  }
}
