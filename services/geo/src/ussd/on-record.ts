import type { AuditAction } from "@vigie/schemas/audit-actions";
import type { AuditEntry } from "@vigie/service-kit/audit-trail/audit-trail";
import { callerOf } from "@vigie/service-kit/http/access";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { FastifyRequest } from "fastify";
import type { GeoContext } from "../context.ts";

/** What was done, for whom it asks and for the record. */
export interface Deed<T> {
  readonly subjectUserId: string | null;
  readonly payload: AuditEntry["payload"];
  readonly answer: T;
}

/**
 * Does `work` in a tenant, the caller's unless another is named, and puts it on record before it holds: without the
 * record nothing of it stays. Throws: VIG_DATABASE_AWAY, VIG_AUDIT_WRITE_FAILED, and what `work` throws.
 */
export function onRecord<T>(
  { database, audit }: Pick<GeoContext, "database" | "audit">,
  request: FastifyRequest,
  action: AuditAction,
  work: (tx: Queryable, tenantId: string) => Promise<Deed<T>>,
  tenantId = callerOf(request).tenantId,
): Promise<T> {
  const caller = callerOf(request);
  return database.inTenant(tenantId, async (tx) => {
    const { subjectUserId, payload, answer } = await work(tx, tenantId);
    await audit.record({ action, caller, request, subjectUserId, payload });
    return answer;
  });
}
