import { VigError } from "@vigie/core/errors";
import type { Page } from "@vigie/service-kit/keyset";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { EdgeContext } from "../context.ts";
import { type InForce, type JudgedSession, judge } from "./liveness.ts";
import type { SessionRow } from "./session-rows.ts";

/** What the routes that read share. */
export interface Reading extends EdgeContext {
  /** Sees the rows of one tenant only. Throws: VIG_DATABASE_AWAY, VIG_DATABASE_UNSET. */
  read<T>(tenantKey: string, work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Throws: VIG_SESSION_STATE_UNKNOWN while the policies in force are not known. */
  judged(rows: readonly SessionRow[]): readonly JudgedSession[];
}

export function readingOf(context: EdgeContext): Reading {
  const { database, policies, view, clock } = context;
  const inForce: InForce = {
    policyOf: (tenantId) => policies.of(tenantId).document,
    denialOf: (session) => view.denialOf(session),
    outagesOf: context.outagesOf,
  };
  return {
    ...context,
    async read(tenantKey, work) {
      if (database !== null) return database.inTenant(tenantKey, work);
      throw new VigError("VIG_DATABASE_UNSET");
    },
    judged(rows) {
      if (!policies.ready) {
        throw new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "policies are still being read" });
      }
      const nowMs = clock();
      return rows.map((row) => judge(row, inForce, nowMs));
    },
  };
}

/** A page of active sessions may be shorter than what the tables called active. */
export function judgedPage(
  { judged }: Pick<Reading, "judged">,
  page: Page<SessionRow>,
  onlyActive: boolean,
): Page<JudgedSession> {
  const all = judged(page.items);
  return { items: onlyActive ? all.filter(({ isActive }) => isActive) : all, next: page.next };
}
