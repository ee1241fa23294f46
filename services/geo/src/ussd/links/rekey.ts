import { HOUR_MS } from "@vigie/core/time";
import type { Job } from "@vigie/service-kit/jobs";
import type { Database } from "@vigie/service-kit/postgres/database";
import type { LinkBook } from "./link-book.ts";
import { ussdTenants } from "./service-codes.ts";

/** Rows of one transaction. Source: some 20 ms of hashes and seals. */
const ROWS_MAX = 200;

/**
 * Brings phones to the current key of their tenant: the one before it compares for 30 days only. All is done within
 * hours of a rotation; while there is none, a run reads one index a tenant.
 */
export const rekeyJob = (database: Database, links: Pick<LinkBook, "rekey">): Job => ({
  name: "ussd_rekey",
  everyMs: HOUR_MS,
  async run() {
    for (const tenantId of await ussdTenants(database)) {
      let rows = ROWS_MAX;
      while (rows === ROWS_MAX) {
        rows = await database.inTenant(tenantId, (tx) => links.rekey(tx, tenantId, ROWS_MAX));
      }
    }
  },
});
