import { VigError } from "@vigie/core/errors";
import { TENANT_ID, USER_ID } from "@vigie/core/keys";
import { type Clock, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { errors, type JWTPayload, jwtVerify } from "jose";
import type { KeySource } from "./jwt-keys.ts";
import { TokenCache } from "./token-cache.ts";
import { isWellFormed } from "./well-formed.ts";

/** Who calls, as the token says. */
export interface Caller {
  readonly tenantId: string;
  /** User, or name of a service. */
  readonly subject: string;
  /**
   * user: the token is of a person (it has a session or a user type) and speaks for that one only.
   * service: it speaks for every user of its tenant.
   */
  readonly kind: "user" | "service";
  readonly sessionId: string | null;
  readonly userType: "EXTERNAL" | "INTERNAL" | null;
  readonly orgId: string | null;
  readonly roles: readonly string[];
  readonly scopes: ReadonlySet<string>;
  /** The application: client_id, or the name of a service. Null for a person's token without one. */
  readonly clientId: string | null;
  /** Who is behind the token of another (AUD-12). */
  readonly impersonatorId: string | null;
  /** What rate limits are kept by: tenant and client, and the person if it is one. */
  readonly limitKey: string;
}

/** What a token that was verified says of itself. Source: RFC 7662, section 2.2. */
export interface TokenFacts {
  readonly caller: Caller;
  readonly scope: string;
  readonly audience: string | readonly string[];
  readonly issuer: string;
  /** Seconds since the epoch. */
  readonly issuedAtS: number;
  readonly expiresAtS: number;
}

export interface VerifierOptions {
  readonly keys: KeySource;
  readonly audience: string;
  readonly issuer: string;
  /** Stands in for a missing tenant_id; never in production, the configuration sees to that. */
  readonly defaultTenant: string | null;
  readonly clock: Clock;
}

/** Source: clocks kept by NTP differ by less. */
const CLOCK_SKEW_S = 5;
/** Source: DESIGN, Edge: verified signatures may be cached 60 s at most. */
const VERIFIED_TTL_MS = MINUTE_MS;
/** Source: 10,000 callers a minute, about 10 MB. */
const VERIFIED_TOKENS_MAX = 10_000;
/** Source: header limit of Node's HTTP parser is 16 KiB for all headers. */
const TOKEN_LENGTH_MAX = 8_192;

export interface TokenVerifier {
  /** The caller of a token verified a moment ago, without waiting; undefined asks for `verify`. */
  known(token: string): Caller | undefined;
  /** Throws: VIG_TOKEN_INVALID, VIG_TOKEN_EXPIRED, VIG_KEYS_AWAY. */
  verify(token: string): Promise<Caller>;
  /** The same for whoever asks about a token; not a promise when it was verified a moment ago. */
  inspect(token: string): TokenFacts | Promise<TokenFacts>;
}

export function createTokenVerifier(options: VerifierOptions): TokenVerifier {
  const { keys, clock } = options;
  const cache = new TokenCache<TokenFacts>({
    clock,
    ttlMs: VERIFIED_TTL_MS,
    entriesMax: VERIFIED_TOKENS_MAX,
  });
  /** Being verified: whoever brings the same token meanwhile waits for the one answer. */
  const running = new Map<string, Promise<TokenFacts>>();
  return {
    known: (token) => cache.get(token)?.caller,
    verify: async (token) => (await verified(token)).caller,
    inspect: (token) => cache.get(token) ?? verified(token),
  };

  /** A caller in wide use is found unverified by many requests at once, each minute anew. */
  function verified(token: string): Promise<TokenFacts> {
    const known = running.get(token);
    if (known !== undefined) return known;
    const verifying = judged(token).finally(() => running.delete(token));
    running.set(token, verifying);
    return verifying;
  }

  async function judged(token: string): Promise<TokenFacts> {
    if (token.length > TOKEN_LENGTH_MAX) throw invalid("it is too long");
    const payload = await signed(token, options);
    const facts = factsOf(payload, options.defaultTenant);
    const issuedAheadS = facts.issuedAtS - clock() / SECOND_MS;
    if (issuedAheadS > CLOCK_SKEW_S) throw invalid("it was issued in the future");
    cache.put(token, facts, facts.expiresAtS * SECOND_MS);
    return facts;
  }

  async function signed(token: string, { audience, issuer }: VerifierOptions): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, keys.keyOf, {
        algorithms: [...keys.algorithms],
        audience,
        issuer,
        clockTolerance: CLOCK_SKEW_S,
        currentDate: new Date(clock()),
        requiredClaims: ["sub", "exp", "iat"],
      });
      return payload;
    } catch (error) {
      throw tokenFault(error);
    }
  }
}

const invalid = (why: string): VigError => new VigError("VIG_TOKEN_INVALID", { why });

/** Says what is wrong in our own words: a library's message could quote the token. */
function tokenFault(error: unknown): unknown {
  if (error instanceof VigError) return error;
  if (error instanceof errors.JWTExpired) return new VigError("VIG_TOKEN_EXPIRED");
  if (error instanceof errors.JWTClaimValidationFailed) {
    return invalid(
      `claim ${error.claim} is ${error.reason === "missing" ? "missing" : "not ours"}`,
    );
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return invalid("its algorithm is not accepted");
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return invalid("its signature is wrong");
  // Anything else that is malformed: not three parts, header not JSON, a key of another kind.
  return invalid("it is no signed JWT");
}

/** The claims that jose has asked for are there. */
function factsOf(payload: JWTPayload, defaultTenant: string | null): TokenFacts {
  const caller = callerOf(payload, defaultTenant);
  const { aud = [], iss = "", iat = 0, exp = 0 } = payload;
  const scope = [...caller.scopes].join(" ");
  return { caller, scope, audience: aud, issuer: iss, issuedAtS: iat, expiresAtS: exp };
}

/** Throws: VIG_TOKEN_INVALID when a claim is missing or has another shape than DESIGN's table. */
function callerOf(payload: JWTPayload, defaultTenant: string | null): Caller {
  if (!isWellFormed(payload)) throw invalid("a claim is not well-formed Unicode");
  if (payload.type !== "access") throw invalid("claim type is not access");
  const subject = payload.sub;
  if (typeof subject !== "string" || !USER_ID.test(subject)) throw invalid("claim sub is no id");
  const tenantId = textClaim(payload, "tenant_id") ?? defaultTenant;
  if (tenantId === null || !TENANT_ID.test(tenantId)) throw invalid("claim tenant_id is no tenant");
  const sessionId = textClaim(payload, "sid");
  const userType = userTypeOf(payload);
  const kind = sessionId !== null || userType !== null ? "user" : "service";
  const clientId = textClaim(payload, "client_id") ?? (kind === "service" ? subject : null);
  const client = kind === "service" ? (clientId ?? subject) : `${clientId ?? ""}|${subject}`;
  return {
    tenantId,
    subject,
    kind,
    sessionId,
    userType,
    orgId: textClaim(payload, "org_id"),
    roles: wordsOf(payload.roles, "roles"),
    scopes: new Set(wordsOf(payload.scope, "scope")),
    clientId,
    impersonatorId: impersonatorOf(payload),
    limitKey: `${tenantId}|${client}`,
  };
}

/** Ids of a token go into events: as an event takes them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const ID = /^[^\u0000-\u001f\u007f]{1,128}$/;

function textClaim(payload: JWTPayload, name: string): string | null {
  const value = payload[name];
  if (value === undefined || value === null) return null;
  if (typeof value === "string" && ID.test(value)) return value;
  throw invalid(`claim ${name} is no id of 1..128 characters`);
}

/**
 * The one who acts as the token's subject. Source: RFC 8693, section 4.1: the outermost `act` is who acts now; a plain
 * claim `impersonator_id` says the same for issuers that know no token exchange.
 */
function impersonatorOf(payload: JWTPayload): string | null {
  const { act } = payload;
  const isObject = typeof act === "object" && act !== null;
  if (act !== undefined && !isObject) throw invalid("claim act is no object");
  const acting = isObject ? textClaim(act as JWTPayload, "sub") : null;
  if (isObject && acting === null) throw invalid("claim act names nobody");
  const plain = textClaim(payload, "impersonator_id");
  if (acting !== null && plain !== null && acting !== plain) {
    throw invalid("claims act and impersonator_id name two");
  }
  const impersonator = acting ?? plain;
  if (impersonator !== null && !USER_ID.test(impersonator)) throw invalid("claim act.sub is no id");
  return impersonator;
}

function userTypeOf(payload: JWTPayload): Caller["userType"] {
  const value = textClaim(payload, "user_type")?.toUpperCase();
  if (value === undefined) return null;
  if (value === "EXTERNAL" || value === "INTERNAL") return value;
  throw invalid("claim user_type is neither EXTERNAL nor INTERNAL");
}

/** A list of words, or words with spaces between (RFC 8693 for scope). */
function wordsOf(value: unknown, name: string): readonly string[] {
  if (value === undefined || value === null) return [];
  const words = typeof value === "string" ? value.split(" ").filter(Boolean) : value;
  if (Array.isArray(words) && words.every((word) => typeof word === "string")) return words;
  throw invalid(`claim ${name} is no list of words`);
}
