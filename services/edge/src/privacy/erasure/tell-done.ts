import { SECOND_MS } from "@vigie/core/time";
import type { AuditTrail } from "@vigie/service-kit/audit-trail/audit-trail";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { Job } from "@vigie/service-kit/jobs";
import type { Database } from "@vigie/service-kit/postgres/database";
import { type ErasureFacts, factsOf, isUnderWay } from "./erasure-book.ts";

export interface TellDoneOptions {
  /** Null: none is configured, and no erasure can be asked for. */
  readonly database: Database | null;
  readonly audit: Pick<AuditTrail, "recordOwn">;
  /** Whether schemas are known: before that no record can be written. */
  isReady(): boolean;
}

/** Source: an erasure takes seconds, and its end is nobody's hurry. */
const EVERY_MS = 10 * SECOND_MS;
const PAGE_MAX = 100;

const UNTOLD = `
  select tenant_key, erasure_id from erasures_untold where erasure_id > $1
   order by erasure_id limit ${PAGE_MAX}`;
/** Who locks the row tells; another edge passes by. */
const CLAIM = `
  select 1 from erasures_untold where tenant_id = $1 and erasure_id = $2 for update skip locked`;
const TOLD = "delete from erasures_untold where tenant_id = $1 and erasure_id = $2";

interface Untold {
  readonly tenant_key: string;
  readonly erasure_id: string;
}

/**
 * Puts on record that an erasure is done, once every part has told so. A crash between the record and the commit has
 * it told twice, never not at all.
 */
export function tellDoneJob({ database, audit, isReady }: TellDoneOptions): Job {
  return {
    name: "erasures_told",
    everyMs: EVERY_MS,
    async run() {
      if (database === null || !isReady()) return;
      let after: string | undefined = "";
      while (after !== undefined) {
        const { rows }: { rows: readonly Untold[] } = await database.query(UNTOLD, [after]);
        for (const row of rows) await tell(database, audit, row);
        after = rows.length < PAGE_MAX ? undefined : rows.at(-1)?.erasure_id;
      }
    },
  };
}

const tell = (
  database: Database,
  audit: TellDoneOptions["audit"],
  { tenant_key: tenantId, erasure_id: erasureId }: Untold,
): Promise<void> =>
  database.inTenant(tenantId, async (tx) => {
    const ids = [tenantUuid(tenantId), erasureId];
    const { count } = await tx.query(CLAIM, ids);
    if (count === 0) return;
    const facts = await factsOf(tx, tenantId, erasureId);
    if (facts !== null && isUnderWay(facts)) return;
    await tx.query(TOLD, ids);
    if (facts === null) return;
    await audit.recordOwn({ action: "privacy.erasure_done", tenantId, payload: payloadOf(facts) });
  });

const payloadOf = ({ erasureId, requestedAtMs, doneAtMs }: ErasureFacts) => ({
  erasure_id: erasureId,
  requested_at: requestedAtMs,
  parts: Object.fromEntries([...doneAtMs].map(([part, atMs]) => [part, Math.round(atMs)])),
});
