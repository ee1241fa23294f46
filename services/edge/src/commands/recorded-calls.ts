import { tenantUuid } from "@vigie/service-kit/ids";
import { type Database, isCanceled, isDatabaseAway } from "@vigie/service-kit/postgres/database";
import { lockName } from "@vigie/service-kit/postgres/locks";
import { Gate } from "./gate.ts";

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
 * So many calls of an edge hold a connection while the broker takes their record; its reads keep the others.
 * Source: half of DATABASE_POOL_MAX's default.
 */
const CLAIMS_MAX = 2;
/** A record takes milliseconds; who waits this long has a broker that is away before it, and revoking goes on. */
const CLAIM_WAIT_MS = 1_000;

/** Calls that are put on record once, however many edges they come to at once. */
export class RecordedCalls {
  private readonly database: Database | null;
  private readonly claims = new Gate(CLAIMS_MAX);

  constructor(database: Database | null) {
    this.database = database;
  }

  /**
   * While PostgreSQL is away, or the broker keeps others waiting, a call is put on record each time it comes.
   * Returns: the broker's time of its record. Throws: what `record` throws; then the next one tries.
   */
  async once(call: RepeatableCall, record: () => Promise<number>): Promise<number> {
    const { database, claims } = this;
    if (database === null || !(await claims.enter(CLAIM_WAIT_MS))) return record();
    let recordedAtMs: number | null = null;
    try {
      return await claimed(database, call, async () => {
        recordedAtMs ??= await record();
        return recordedAtMs;
      });
    } catch (error) {
      if (isDatabaseAway(error) || isCanceled(error)) return recordedAtMs ?? record();
      throw error;
    } finally {
      claims.leave();
    }
  }
}

const claimed = (
  database: Database,
  { tenantId, name }: RepeatableCall,
  record: () => Promise<number>,
): Promise<number> =>
  database.inTenant(tenantId, async (tx) => {
    await lockName(tx, "calls", `${tenantId}|${name}`);
    const call = [tenantUuid(tenantId), name];
    const { rows } = await tx.query<{ readonly recorded_at_ms: number }>(FIND, call);
    const [known] = rows;
    if (known !== undefined) return known.recorded_at_ms;
    const recordedAtMs = await record();
    await tx.query(ADD, [...call, recordedAtMs]);
    await tx.query(FORGET, call.slice(0, 1));
    return recordedAtMs;
  });
