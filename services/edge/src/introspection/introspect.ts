import { VigError } from "@vigie/core/errors";
import { SECOND_MS } from "@vigie/core/time";
import type { Caller, TokenFacts, TokenVerifier } from "@vigie/service-kit/http/jwt";
import { sessionOfCaller } from "@vigie/service-kit/sessions/session-of-caller";
import type { SessionFacts, SessionView } from "@vigie/service-kit/sessions/view";
import type { Introspection } from "./schemas.ts";

interface Parts {
  readonly verifier: Pick<TokenVerifier, "inspect">;
  readonly view: Pick<SessionView, "resolve">;
}

const inactive: Introspection = { active: false };

/**
 * What a token is worth now. Whatever is wrong with it, and whatever is not the caller's to know, is one answer.
 * Throws: VIG_KEYS_AWAY, VIG_SESSION_STATE_UNKNOWN: nobody can tell, which is not the same as inactive.
 */
export async function introspect(
  token: string,
  asking: Pick<Caller, "tenantId">,
  { verifier, view }: Parts,
): Promise<Introspection> {
  const inspected = verifier.inspect(token);
  const facts = inspected instanceof Promise ? await soundFacts(inspected) : inspected;
  if (facts === null) return inactive;
  if (facts.caller.tenantId !== asking.tenantId) return inactive;
  const session = sessionOfCaller(facts.caller);
  if (session === null) return claimsOf(facts);
  const answer = await view.resolve(session);
  if (answer.kind !== "live") return inactive;
  return { ...claimsOf(facts), ...stateOf(answer.session) };
}

async function soundFacts(inspected: Promise<TokenFacts>): Promise<TokenFacts | null> {
  try {
    return await inspected;
  } catch (error) {
    // What the token is at fault for; the rest is ours.
    if (error instanceof VigError && error.status === 401) return null;
    throw error;
  }
}

/** What a token says is put together once for as long as it is known. */
const claimsOfFacts = new WeakMap<TokenFacts, Introspection>();

function claimsOf(facts: TokenFacts): Introspection {
  const known = claimsOfFacts.get(facts);
  if (known !== undefined) return known;
  const { caller, scope, audience, issuer, issuedAtS, expiresAtS } = facts;
  const claims = {
    active: true,
    scope,
    token_type: "Bearer",
    exp: expiresAtS,
    iat: issuedAtS,
    sub: caller.subject,
    aud: audience as string | string[],
    iss: issuer,
    tenant_id: caller.tenantId,
    ...(caller.clientId !== null && { client_id: caller.clientId }),
    ...(caller.sessionId !== null && { sid: caller.sessionId }),
  };
  claimsOfFacts.set(facts, claims);
  return claims;
}

const stateOf = (session: SessionFacts) => ({
  channel: session.channel,
  step_up_required: session.stepUpRequiredAtMs !== null,
  risk_score: session.riskScore,
  session_expires_at: Math.floor(session.idleExpiresAtMs / SECOND_MS),
});
