import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { APP_ACTION, type AuditAction } from "@vigie/schemas/audit-actions";
import type {
  FastifyInstance,
  FastifyRequest,
  onSendHookHandler,
  preHandlerHookHandler,
  RouteOptions,
} from "fastify";
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
  scope.addHook("onRoute", (options) => {
    const declared = declarationOf(options);
    const impersonated = impersonatedOnRecord(trail, options.url, declared);
    options.preHandler = [impersonated, ...listOf(options.preHandler)];
    if (declared.kind !== "before_answer") return;
    const route = nameOf(options);
    const demand: onSendHookHandler = (request, reply, payload, done) => {
      const repeats = declared.mayRepeat && request.headers["idempotency-key"] !== undefined;
      if (reply.statusCode >= 400 || repeats || recorded.has(request)) return done(null, payload);
      log.fatal({ code: "VIG_AUDIT_UNRECORDED", route }, "audit_record_missing");
      done(new VigError("VIG_AUDIT_UNRECORDED", { route }));
    };
    options.onSend = [...listOf(options.onSend), demand];
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

const nameOf = ({ method, url }: NamedRoute): string => `${method} ${url ?? "unknown"}`;

function declarationOf(route: NamedRoute & Pick<RouteOptions, "config">): AuditDeclaration {
  const { config } = route;
  if (config?.audit !== undefined) return config.audit;
  throw new VigError("VIG_INVARIANT", {
    what: `${nameOf(route)} declares what of it is audited (config.audit)`,
  });
}

const listOf = <T>(hooks: T | T[] | undefined): readonly T[] =>
  hooks === undefined ? [] : ([hooks].flat() as T[]);

function refuseUndeclared({ action, request }: AuditEntry): void {
  const declared = declarationOf(request.routeOptions);
  const actions: readonly string[] = "actions" in declared ? declared.actions : [];
  if (actions.includes(action) || (actions.includes(ANY_APP) && APP_ACTION.test(action))) return;
  throw new VigError("VIG_INVARIANT", {
    what: `${nameOf(request.routeOptions)} declares the action ${action}`,
  });
}

/** Declares all that applications report as their own. */
export const ANY_APP = "app.*" as const satisfies AuditAction;

/** The others have a record of their own, with who is behind the caller. */
function impersonatedOnRecord(
  trail: AuditTrail,
  route: string,
  { kind }: AuditDeclaration,
): preHandlerHookHandler {
  return (request, _reply, done) => {
    const { caller, method } = request;
    if (caller === null) return done();
    const fault = impersonationFault(caller, request);
    if (fault !== null) return done(new VigError("VIG_REQUEST_INVALID", { why: fault }));
    const impersonation = impersonationOf(caller, request);
    // Nearly always: no call waits a turn for it.
    if (impersonation === null || kind === "before_answer") return done();
    const payload = { method, route };
    const subjectUserId = impersonation.impersonatedId;
    trail
      .record({ action: IMPERSONATED, caller, request, subjectUserId, payload })
      .then(() => done(), done);
  };
}
