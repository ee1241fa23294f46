import { randomBytes } from "node:crypto";
import { assert } from "@vigie/core/assert";
import { inReach } from "@vigie/service-kit/audit/leaves";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { postgresLog } from "../../src/audit-api/postgres-log.ts";
import { bearer, testEdge } from "../../src/test-edge.ts";
import type { PlanNode } from "../inventory/ask.ts";
import type { Case } from "./cases.ts";
import { ORIGIN, TENANTS } from "./fill.ts";

/** A statement as it was sent; `tenant` null: in sight of all. */
export interface Sent {
  readonly tenant: string | null;
  readonly text: string;
  readonly values: readonly unknown[];
}

export interface Asker {
  /** Answers by the real handlers. Returns: how long it took, in ms. */
  ask(one: Case): Promise<number>;
  /** The statements of the last answer. */
  sent(): readonly Sent[];
}

const master = { keyId: "k1", activeFromMs: 0, secret: randomBytes(32) };

/** The edge's routes over `database`, without a network. */
export function askerOf(database: Database, nowMs: number): Asker {
  let sent: Sent[] = [];
  const noting = (tenant: string | null, tx: Queryable): Queryable => ({
    query(text, values = []) {
      if (!text.includes("set_config")) sent.push({ tenant, text, values });
      return tx.query(text, values);
    },
  });
  const noted: Database = {
    ...database,
    ...noting(null, database),
    transaction: (work) => database.transaction((tx) => work(noting(null, tx))),
    inTenant: (tenant, work) => database.inTenant(tenant, (tx) => work(noting(tenant, tx))),
  };
  const keys = derivedKeys([master], () => nowMs);
  const auditLog = postgresLog({ database: noted, keys: () => keys, origin: ORIGIN });
  const { app } = testEdge({ auditLog });
  return {
    sent: () => sent,
    async ask({ name, url, platform }) {
      const scope = platform === undefined ? "id:audit" : "id:audit platform:admin";
      const headers = await bearer({ tenant_id: TENANTS[0], sub: "aud_1", scope });
      sent = [];
      const startMs = performance.now();
      const response = await app.inject({ url, headers });
      const ms = performance.now() - startMs;
      assert(response.statusCode === 200, `${name}: ${response.body.slice(0, 500)}`);
      return ms;
    },
  };
}

const explained = <R extends object>(
  database: Database,
  { tenant, text, values }: Sent,
  options: string,
): Promise<readonly R[]> =>
  inReach(database, tenant, async (tx) => {
    return (await tx.query<R>(`explain (${options}) ${text}`, values)).rows;
  });

/** The plan of a statement under the tenant and role that it was sent with. */
export async function planOf(database: Database, sent: Sent): Promise<PlanNode> {
  const [row] = await explained<{ "QUERY PLAN": { Plan: PlanNode }[] }>(
    database,
    sent,
    "format json",
  );
  const plan = row?.["QUERY PLAN"][0]?.Plan;
  assert(plan !== undefined, "an explained statement has a plan");
  return plan;
}

/** The plan as text, with what it really took. */
export async function planTextOf(database: Database, sent: Sent): Promise<string> {
  const options = "analyze, buffers, costs off, timing off, summary off";
  const rows = await explained<{ "QUERY PLAN": string }>(database, sent, options);
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}
