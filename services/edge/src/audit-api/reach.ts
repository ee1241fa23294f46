import { VigError } from "@vigie/core/errors";
import { callerOf } from "@vigie/service-kit/http/access";
import type { Caller } from "@vigie/service-kit/http/jwt";
import type { FastifyRequest } from "fastify";
import type { EdgeContext } from "../context.ts";

const PLATFORM_SCOPE = "platform:admin";
/** Asks for all tenants. */
export const ALL_TENANTS = "*";

/** Whether the caller may ask for any tenant's: then nothing that is not there is somebody else's. */
export const maySeeAll = ({ scopes }: Caller): boolean => scopes.has(PLATFORM_SCOPE);

/**
 * Whose leaves the caller reads: those of its tenant, or of the one it asks for; null: of all.
 * Throws: VIG_NOT_FOUND for another tenant, VIG_SCOPE_MISSING for all, unless the caller administers the platform;
 * the attempt is put on record.
 */
export function reachOf(
  request: FastifyRequest,
  { audit }: Pick<EdgeContext, "audit">,
): string | null {
  const caller = callerOf(request);
  const { tenant = caller.tenantId } = request.query as { readonly tenant?: string };
  if (tenant === caller.tenantId || maySeeAll(caller)) {
    return tenant === ALL_TENANTS ? null : tenant;
  }
  const isOfAll = tenant === ALL_TENANTS;
  const fault = isOfAll ? "VIG_SCOPE_MISSING" : "VIG_NOT_FOUND";
  audit.denied({ caller, request, payload: { fault } });
  throw isOfAll
    ? new VigError(fault, { scope: PLATFORM_SCOPE })
    : new VigError(fault, { what: "tenant" });
}
