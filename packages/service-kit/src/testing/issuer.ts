import { generateKeyPairSync } from "node:crypto";
import { SAMPLE_TIME_MS, sampleLogin } from "@vigie/schemas/samples";
import { SignJWT } from "jose";
import type { AuthOptions } from "../http/auth.ts";
import { createTokenVerifier } from "../http/jwt.ts";
import { pemKeys } from "../http/jwt-keys.ts";
import { noRateLimit } from "../http/rate-limit.ts";

/** An issuer within the test's process, and what a service needs to trust it. */

export const NOW_MS = SAMPLE_TIME_MS;
export const AUDIENCE = "molam-id";
export const ISSUER = "https://id.molam.example";

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();

/** By default of a service of the samples' tenant. */
export function token(claims: Record<string, unknown> = {}): Promise<string> {
  const issuedS = Math.floor(NOW_MS / 1_000);
  const all = {
    sub: "auth-gateway",
    tenant_id: sampleLogin.tenant_id,
    type: "access",
    scope: "events:write",
    aud: AUDIENCE,
    iss: ISSUER,
    iat: issuedS,
    exp: issuedS + 900,
    ...claims,
  };
  return new SignJWT(all).setProtectedHeader({ alg: "ES256" }).sign(privateKey);
}

export const bearer = async (claims: Record<string, unknown> = {}) => ({
  authorization: `Bearer ${await token(claims)}`,
});

/** The claims of a person's own token. */
export const person = { sub: sampleLogin.user_id, sid: "s-1", user_type: "EXTERNAL" } as const;

const rate = { perMinute: 600, burst: 600 };

/** Trusts the issuer, and limits nobody; time stands still at NOW_MS. */
export const issuerAuth = (): AuthOptions => ({
  verifier: createTokenVerifier({
    keys: pemKeys(publicPem, ["ES256"]),
    audience: AUDIENCE,
    issuer: ISSUER,
    defaultTenant: null,
    clock: () => NOW_MS,
  }),
  limiter: noRateLimit,
  rates: { service: rate, user: rate },
});
