import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import type { FastifyRequest, onRequestHookHandler } from "fastify";
import { impersonationOf } from "../audit-trail/impersonation.ts";
import { sessionOfCaller } from "../sessions/session-of-caller.ts";
import type { SessionAnswer, SessionView } from "../sessions/view.ts";
import { type AuthOptions, requireToken } from "./auth.ts";
import type { Caller } from "./jwt.ts";
import { sendProblem } from "./problem.ts";

/** What guards ask. */
export interface Guarded {
  readonly auth: AuthOptions;
  readonly view: SessionView;
  /** org_id values whose administrators and auditors are those of the ID domain (REV-06, SUB-01). */
  readonly idDomainOrgs: ReadonlySet<string>;
}
export type Guard = readonly onRequestHookHandler[];

const ADMIN_SCOPE = "id:admin";
const AUDIT_SCOPE = "id:audit";
/** Source: CNF-31, super-admin implies id:admin. */
const SUPER_ADMIN_ROLE = "super-admin";

export function callerOf(request: FastifyRequest): Caller {
  const { caller } = request;
  assert(caller !== null, "a guarded route has a caller");
  return caller;
}

/** A person who speaks for themselves; their session lives (REV-15: no special permission). */
export const person = (context: Guarded): Guard => [
  requireToken(context.auth),
  isPerson,
  livesNow(context),
];

/** The same, and nobody acts as them: consent, what it protects, and a PIN are the person's alone (PRV-06). */
export const personAlone = (context: Guarded): Guard => [...person(context), isNotImpersonated];

/** A person, though their session may have ended: for what goes on after it and tells of nobody else. */
export const personOfAnySession = (context: Guarded): Guard => [
  requireToken(context.auth),
  isPerson,
];

/** A token with this scope; of its session, if it has one, no end is known. */
export const scoped = (scope: string, context: Guarded): Guard => [
  requireToken(context.auth),
  hasScope(scope),
  livesNow(context),
];

/** An auditor of the ID domain: what is on record tells of people of all organisations (SUB-01, AUD-08). */
export const auditor = (context: Guarded): Guard => [
  requireToken(context.auth),
  hasScope(AUDIT_SCOPE),
  isOfIdDomain(context),
  livesNow(context),
];

/** An administrator of the ID domain (SEC-02, REV-06, SUB-01). */
export const admin = (context: Guarded): Guard => [
  requireToken(context.auth),
  isAdmin(context),
  livesNow(context),
];

/** The guard of a route that writes events or commands: how they are encoded is known. */
export const schemasKnown = (context: { isReady(): boolean }): onRequestHookHandler =>
  function check(_request, reply, done) {
    if (context.isReady()) done();
    else sendProblem(reply, "VIG_REGISTRY_AWAY", { why: "schemas are not known yet" });
  };

/** Whether the caller may act as administrator of the ID domain. */
export function adminFault(
  caller: Caller,
  idDomainOrgs: ReadonlySet<string>,
): "VIG_SCOPE_MISSING" | "VIG_ID_DOMAIN_ONLY" | null {
  const isAllowed = caller.scopes.has(ADMIN_SCOPE) || caller.roles.includes(SUPER_ADMIN_ROLE);
  if (!isAllowed) return "VIG_SCOPE_MISSING";
  return isIdDomains(caller, idDomainOrgs) ? null : "VIG_ID_DOMAIN_ONLY";
}

const isIdDomains = ({ orgId }: Caller, idDomainOrgs: ReadonlySet<string>): boolean =>
  orgId === null || idDomainOrgs.has(orgId);

// SUB-01: every 403 is put on record, see audit-trail/declared.ts.

export const hasScope = (scope: string): onRequestHookHandler =>
  function check(request, reply, done) {
    if (callerOf(request).scopes.has(scope)) done();
    else sendProblem(reply, "VIG_SCOPE_MISSING", { scope });
  };

const isPerson: onRequestHookHandler = function check(request, reply, done) {
  if (callerOf(request).kind === "user") done();
  else sendProblem(reply, "VIG_PERSON_ONLY");
};

const isNotImpersonated: onRequestHookHandler = function check(request, reply, done) {
  if (impersonationOf(callerOf(request), request) === null) done();
  else sendProblem(reply, "VIG_IMPERSONATED");
};

const isAdmin = (context: Guarded): onRequestHookHandler =>
  function check(request, reply, done) {
    const fault = adminFault(callerOf(request), context.idDomainOrgs);
    if (fault === null) return done();
    sendProblem(reply, fault, fault === "VIG_SCOPE_MISSING" ? { scope: ADMIN_SCOPE } : {});
  };

const isOfIdDomain = ({ idDomainOrgs }: Guarded): onRequestHookHandler =>
  function check(request, reply, done) {
    if (isIdDomains(callerOf(request), idDomainOrgs)) done();
    else sendProblem(reply, "VIG_ID_DOMAIN_ONLY");
  };

/** What is said of a session; unsure: nobody can vouch for it now. */
type Said = SessionAnswer["kind"] | "unsure";

/** Liveness is asked anew at every call, never remembered with the token. Source: DESIGN, claims. */
export const livesNow = (context: Pick<Guarded, "view">): onRequestHookHandler =>
  sessionIs(["live"], context);

/**
 * For events of a person's own session: an ended one is refused; an unknown one passes, since its first event may
 * be this one, and so does one that nobody can vouch for: the processor judges it again.
 */
export const notEnded = (context: Pick<Guarded, "view">): onRequestHookHandler =>
  sessionIs(["live", "unknown", "unsure"], context);

function sessionIs(
  passing: readonly Said[],
  { view }: Pick<Guarded, "view">,
): onRequestHookHandler {
  return (request, reply, done) => {
    const session = sessionOfCaller(callerOf(request));
    // A service has no session: nothing to wait for.
    if (session === null) return done();
    view.resolve(session).then(
      ({ kind }) => {
        if (passing.includes(kind)) done();
        else sendProblem(reply, "VIG_SESSION_ENDED");
      },
      (error) => {
        if (isUnsure(error) && passing.includes("unsure")) done();
        // Without a reason the call would pass.
        else done(error instanceof Error ? error : new VigError("VIG_INTERNAL"));
      },
    );
  };
}

const isUnsure = (error: unknown): boolean =>
  error instanceof VigError && error.code === "VIG_SESSION_STATE_UNKNOWN";
