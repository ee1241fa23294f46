import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { APP_ACTION, type AuditAction } from "@vigie/schemas/audit-actions";
import type { FastifyInstance, FastifyRequest, RouteOptions } from "fastify";
import type { AuditEntry, AuditTrail } from "./audit-trail.ts";
import { impersonationFault, impersonationOf } from "./impersonation.ts";

/** What of a route goes on record. Every route says so, or its service does not start. */
export type AuditDeclaration =
  /** Each answer that is no refusal has its record first, as one of these actions. */
  | {
      readonly kind: "before_answer";
      readonly actions: readonly AuditAction[];
      /** A call with an Idempotency-Key may be one that is on record already. */
      readonly mayRepeat: boolean;
    }
  /** The same, when the answer tells of anybody but the caller. */
  | { readonly kind: "about_others"; readonly actions: readonly AuditAction[] }
  /** The service that does it puts it on record, in the transaction of the deed. */
  | { readonly kind: "with_deed"; readonly actions: readonly AuditAction[] }
  /** Nothing critical happens, and why not. */
  | { readonly kind: "nothing"; readonly why: string };

declare module "fastify" {
  interface FastifyContextConfig {
    audit?: AuditDeclaration;
  }
}

type Actions = readonly [AuditAction, ...AuditAction[]];

export const beforeAnswer = (...actions: Actions): AuditDeclaration => ({
  kind: "before_answer",
  actions,
  mayRepeat: false,
});
export const beforeAnswerOnce = (...actions: Actions): AuditDeclaration => ({
  kind: "before_answer",
  actions,
  mayRepeat: true,
});
export const aboutOthers = (...actions: Actions): AuditDeclaration => ({
  kind: "about_others",
  actions,
});
export const withDeed = (...actions: Actions): AuditDeclaration => ({ kind: "with_deed", actions });
export const nothing = (why: string): AuditDeclaration => ({ kind: "nothing", why });

/** What many routes say. */
export const ownData = nothing("a person reads of themselves");
export const counts = nothing("counts that name nobody");

const IMPERSONATED = "impersonation.acted" as const satisfies AuditAction;

/**
 * Holds every route registered in `scope` from here on to what it declares. A route that declares nothing is refused
 * at the start; an answer without its declared record is replaced by 500 and told at the highest level; what somebody
 * impersonating does at the other routes is put on record here (AUD-12); so is every refusal (SUB-01).
 * Returns: the trail that the routes write to.
 */
export function holdToDeclared(scope: FastifyInstance, trail: AuditTrail, log: Logger): AuditTrail {
  const recorded = new WeakSet<FastifyRequest>();
  const refused = new WeakSet<FastifyRequest>();
  const watched: AuditTrail = {
    async record(entry) {
      refuseUndeclared(entry);
      const receipt = await trail.record(entry);
      recorded.add(entry.request);
      return receipt;
    },
    recordOwn: (deed) => trail.recordOwn(deed),
    denied(attempt) {
      if (refused.has(attempt.request)) return;
      refused.add(attempt.request);
      trail.denied(attempt);
    },
  };
  scope.addHook("onRoute", demandDeclaration);
  scope.addHook("preHandler", (request, _reply, done) => {
    const recording = putImpersonatedOnRecord(trail, request);
    // Nearly always: no call waits a turn for it.
    if (recording === null) done();
    else recording.then(() => done(), done);
  });
  scope.addHook("onSend", (request, reply, payload, done) => {
    const isSound = reply.statusCode >= 400 || recorded.has(request) || !demandsRecord(request);
    if (isSound) return done(null, payload);
    const error = new VigError("VIG_AUDIT_UNRECORDED", { route: routeOf(request.routeOptions) });
    log.fatal({ code: error.code, route: error.details.route }, "audit_record_missing");
    done(error);
  });
  scope.addHook("onResponse", (request, reply, done) => {
    const { caller } = request;
    if (reply.statusCode === 403 && caller !== null) {
      watched.denied({ caller, request, payload: { fault: reply.problemCode } });
    }
    done();
  });
  return watched;
}

interface NamedRoute {
  readonly method: string | readonly string[];
  readonly url?: string | undefined;
}

const routeOf = ({ method, url }: NamedRoute): string => `${method} ${url ?? "unknown"}`;

function demandDeclaration(route: RouteOptions): void {
  if (route.config?.audit !== undefined) return;
  throw new VigError("VIG_INVARIANT", {
    what: `${routeOf(route)} declares what of it is audited (config.audit)`,
  });
}

const declaredFor = ({ routeOptions }: FastifyRequest): AuditDeclaration => {
  const { audit } = routeOptions.config;
  if (audit !== undefined) return audit;
  throw new VigError("VIG_INVARIANT", { what: `${routeOf(routeOptions)} declares its audit` });
};

function refuseUndeclared({ action, request }: AuditEntry): void {
  const declared = declaredFor(request);
  const actions: readonly string[] = "actions" in declared ? declared.actions : [];
  if (actions.includes(action) || (actions.includes(ANY_APP) && APP_ACTION.test(action))) return;
  throw new VigError("VIG_INVARIANT", {
    what: `${routeOf(request.routeOptions)} declares the action ${action}`,
  });
}

/** Declares all that applications report as their own. */
export const ANY_APP = "app.*" as const satisfies AuditAction;

function demandsRecord(request: FastifyRequest): boolean {
  const { audit } = request.routeOptions.config;
  if (audit?.kind !== "before_answer") return false;
  return !(audit.mayRepeat && request.headers["idempotency-key"] !== undefined);
}

/** The others have a record of their own, with who is behind the caller. */
function putImpersonatedOnRecord(
  trail: AuditTrail,
  request: FastifyRequest,
): Promise<unknown> | null {
  const { caller, routeOptions } = request;
  if (caller === null) return null;
  const fault = impersonationFault(caller, request);
  if (fault !== null) return Promise.reject(new VigError("VIG_REQUEST_INVALID", { why: fault }));
  const impersonation = impersonationOf(caller, request);
  if (impersonation === null || declaredFor(request).kind === "before_answer") return null;
  return trail.record({
    action: IMPERSONATED,
    caller,
    request,
    subjectUserId: impersonation.impersonatedId,
    payload: { method: request.method, route: routeOptions.url ?? "unknown" },
  });
}
