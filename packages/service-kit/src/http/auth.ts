import type { FastifyReply, FastifyRequest, onRequestHookHandler } from "fastify";
import type { Caller, TokenVerifier } from "./jwt.ts";
import { sendProblem } from "./problem.ts";
import type { Rate, RateLimiter } from "./rate-limit.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who calls; null before authentication and on public routes. */
    caller: Caller | null;
  }
}

export interface AuthOptions {
  readonly verifier: TokenVerifier;
  readonly limiter: RateLimiter;
  readonly rates: { readonly service: Rate; readonly user: Rate };
}

/** The hook of routes that need a token; one request is taken from the caller's rate. */
export function requireToken(options: AuthOptions): onRequestHookHandler {
  const { verifier } = options;
  return (request, reply, done) => {
    const token = bearerOf(request.headers.authorization);
    if (token === null) {
      sendProblem(reply, "VIG_TOKEN_MISSING");
      return;
    }
    const known = verifier.known(token);
    if (known !== undefined) {
      if (admit(request, reply, known, options)) done();
      return;
    }
    verifier.verify(token).then((caller) => {
      if (admit(request, reply, caller, options)) done();
    }, done);
  };
}

/** Source: RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1). */
function bearerOf(header: string | undefined): string | null {
  if (header === undefined) return null;
  const scheme = header.slice(0, 7);
  if (scheme !== "Bearer " && scheme.toLowerCase() !== "bearer ") return null;
  const token = header.slice(7).trim();
  return token === "" ? null : token;
}

function admit(
  request: FastifyRequest,
  reply: FastifyReply,
  caller: Caller,
  options: AuthOptions,
): boolean {
  request.caller = caller;
  const tenant = request.headers["x-tenant-id"];
  if (tenant !== undefined && tenant !== caller.tenantId) {
    sendProblem(reply, "VIG_TENANT_MISMATCH", { where: "X-Tenant-ID header" });
    return false;
  }
  return takeRate(reply, caller, 1, options);
}

/** Takes `count` from the caller's rate, or answers 429 and says so with false. */
export function takeRate(
  reply: FastifyReply,
  caller: Caller,
  count: number,
  { limiter, rates }: AuthOptions,
): boolean {
  const waitMs = limiter.take(caller.limitKey, count, rates[caller.kind]);
  if (waitMs === 0) return true;
  sendProblem(reply, "VIG_RATE_LIMITED", { retryAfterS: Math.ceil(waitMs / 1_000) });
  return false;
}
