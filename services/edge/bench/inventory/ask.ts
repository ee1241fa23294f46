import { readFileSync } from "node:fs";
import { assert } from "@vigie/core/assert";
import { noOutages } from "@vigie/core/outages";
import { defaultPolicy } from "@vigie/core/policy";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { DenialBook } from "@vigie/service-kit/sessions/denial-book";
import { postgresSessions } from "@vigie/service-kit/sessions/postgres-sessions";
import { createSessionView } from "@vigie/service-kit/sessions/session-view";
import type { SessionView } from "@vigie/service-kit/sessions/view";
import { bearer, testEdge } from "../../src/test-edge.ts";
import type { Case, SignedIn } from "./cases.ts";

/** A statement as it was sent. */
export interface Sent {
  readonly tenantId: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

const TENANT = "molam-sn";

const SIGNED_IN = `
  select user_key as user, session_key as session, device_key as device from user_sessions
   where tenant_key = $1 and status = 'ACTIVE' and last_activity > $2::timestamp
   order by md5(session_key) limit 500`;

/** People of the largest tenant with a session that lives at `nowMs`. */
export async function signedIn(owner: Database, nowMs: number): Promise<readonly SignedIn[]> {
  const since = new Date(nowMs - 20 * 60_000).toISOString();
  const { rows } = await owner.query<SignedIn>(SIGNED_IN, [TENANT, since]);
  assert(rows.length > 0, "somebody is signed in");
  return rows;
}

/** What one answer took. Processor time is that of the handler and of PostgreSQL, whatever else the machine does. */
export interface Took {
  readonly ms: number;
  readonly cpuMs: number;
}

export interface Asker {
  /** Answers by the real handlers. */
  ask(one: Case, who: SignedIn): Promise<Took>;
  /** The statements of the last answer. */
  sent(): readonly Sent[];
}

/** The edge's routes over `database`, without a network. `backend`: process id of its one connection, if known. */
export function askerOf(database: Database, nowMs: number, backend?: number): Asker {
  const cpuMs = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000 + (backend === undefined ? 0 : backendCpuMs(backend));
  };
  let sent: Sent[] = [];
  const noting = (tenantId: string, tx: Queryable): Queryable => ({
    query(text, values = [], planName) {
      sent.push({ tenantId, text, values });
      return tx.query(text, values, planName);
    },
  });
  const noted: Database = {
    ...database,
    inTenant: (tenantId, work) => database.inTenant(tenantId, (tx) => work(noting(tenantId, tx))),
  };
  const clock = () => nowMs;
  const { app } = testEdge({ database: noted, view: viewOf(noted, clock), clock });
  return {
    sent: () => sent,
    async ask(one, who) {
      const headers = await bearer({ tenant_id: TENANT, ...CLAIMS[one.as](who) });
      const body = one.body?.(who);
      sent = [];
      const [startMs, startCpuMs] = [performance.now(), cpuMs()];
      const response = await app.inject({
        url: one.url(who),
        headers,
        ...(body !== undefined && { method: "POST", payload: body }),
      });
      const took = { ms: performance.now() - startMs, cpuMs: cpuMs() - startCpuMs };
      assert(response.statusCode === 200, `${one.name}: ${response.body}`);
      return took;
    },
  };
}

const CLAIMS: Record<Case["as"], (who: SignedIn) => object> = {
  person: (who) => ({ sub: who.user, user_type: "EXTERNAL", sid: who.session, scope: "" }),
  admin: () => ({ sub: "adm_1", scope: "id:admin" }),
  point: () => ({ sub: "pay", scope: "id:introspect" }),
};

/** Sessions as an edge sees them that has no Redis, and to which everything else is known. */
function viewOf(database: Database, clock: () => number): SessionView {
  const rows = postgresSessions(database);
  return createSessionView({
    stores: [rows],
    book: new DenialBook(clock),
    isBookCurrent: () => true,
    ends: { isCurrent: () => true },
    policyOf: () => defaultPolicy,
    outagesOf: () => noOutages,
    ownerOf: rows.ownerOf,
    clock,
  });
}

/** Processor time of a process of this machine. Source: proc(5), schedstat: nanoseconds on a processor come first. */
const backendCpuMs = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;

export interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Index Cond"?: string;
  readonly Plans?: readonly PlanNode[];
}

/** The plan of a statement under the tenant and role that it was sent with. */
export const planOf = (database: Database, { tenantId, text, values }: Sent): Promise<PlanNode> =>
  database.inTenant(tenantId, async (tx) => {
    const explain = `explain (format json) ${text}`;
    const { rows } = await tx.query<{ "QUERY PLAN": { Plan: PlanNode }[] }>(explain, values);
    const plan = rows[0]?.["QUERY PLAN"][0]?.Plan;
    assert(plan !== undefined, "an explained statement has a plan");
    return plan;
  });

export const nodesOf = (plan: PlanNode): readonly PlanNode[] => [
  plan,
  ...(plan.Plans ?? []).flatMap(nodesOf),
];

/** The plan as text, with what it really took. */
export const planTextOf = (database: Database, { tenantId, text, values }: Sent): Promise<string> =>
  database.inTenant(tenantId, async (tx) => {
    const explain = `explain (analyze, costs off, timing off, summary off) ${text}`;
    const { rows } = await tx.query<{ "QUERY PLAN": string }>(explain, values);
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  });
