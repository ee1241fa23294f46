import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { silentLogger } from "@vigie/core/log";
import { createTokenVerifier } from "@vigie/service-kit/http/jwt";
import { jwksKeys } from "@vigie/service-kit/http/jwt-keys";
import { noRateLimit } from "@vigie/service-kit/http/rate-limit";
import { exportJWK, SignJWT } from "jose";
import { AUDIENCE, ISSUER, NOW_MS } from "./test-edge.ts";

/** Tokens of an issuer with a key set, sound and broken in every way, and what an edge needs to judge them. */

const NOW_S = NOW_MS / 1_000;
const KID = "key-1";
const own = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const foreign = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const jwk = { ...(await exportJWK(own.publicKey)), kid: KID, alg: "RS256", use: "sig" };
const publicPem = own.publicKey.export({ type: "spki", format: "pem" }).toString();

const rate = { perMinute: 600, burst: 600 };
export const issuerAuth = {
  verifier: createTokenVerifier({
    keys: jwksKeys({
      url: "https://id.molam.example/jwks",
      accepted: ["RS256"],
      log: silentLogger,
      clock: () => NOW_MS,
      outbound: { json: async () => ({ keys: [jwk] }) },
    }),
    audience: AUDIENCE,
    issuer: ISSUER,
    defaultTenant: null,
    clock: () => NOW_MS,
  }),
  limiter: noRateLimit,
  rates: { service: rate, user: rate },
};

const claimsOf = (changes: Record<string, unknown>) => ({
  sub: "u-1",
  tenant_id: "acme",
  type: "access",
  sid: "s-1",
  scope: "id:introspect events:write id:admin",
  aud: AUDIENCE,
  iss: ISSUER,
  iat: NOW_S,
  exp: NOW_S + 900,
  ...changes,
});

export const issued = (
  changes: Record<string, unknown> = {},
  { key = own.privateKey, kid = KID }: { key?: KeyObject; kid?: string } = {},
): Promise<string> =>
  new SignJWT(claimsOf(changes)).setProtectedHeader({ alg: "RS256", kid }).sign(key);

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function unsigned(): string {
  return `${encoded({ alg: "none", kid: KID })}.${encoded(claimsOf({}))}.`;
}

/** Signed with what everybody knows, in the hope that it is taken for the secret of another algorithm. */
function signedByPublicKey(): string {
  const signed = `${encoded({ alg: "HS256", kid: KID })}.${encoded(claimsOf({}))}`;
  return `${signed}.${createHmac("sha256", publicPem).update(signed).digest("base64url")}`;
}

async function changed(): Promise<string> {
  const [header, , signature] = (await issued()).split(".");
  return `${header}.${encoded(claimsOf({ sub: "root" }))}.${signature}`;
}

export const brokenTokens: ReadonlyMap<string, string> = new Map([
  ["alg none", unsigned()],
  ["HS256 with the public key as secret", signedByPublicKey()],
  ["a foreign key under a known id", await issued({}, { key: foreign.privateKey })],
  ["an unknown kid", await issued({}, { key: foreign.privateKey, kid: "key-2" })],
  ["changed claims", await changed()],
  ["another issuer", await issued({ iss: "https://evil.example" })],
  ["another audience", await issued({ aud: "other" })],
  ["no tenant", await issued({ tenant_id: undefined })],
  ["a tenant that is none", await issued({ tenant_id: "a|b" })],
  ["expired", await issued({ exp: NOW_S - 6 })],
  ["not valid yet", await issued({ nbf: NOW_S + 60 })],
  ["issued in the future", await issued({ iat: NOW_S + 60 })],
  ["no expiry", await issued({ exp: undefined })],
  ["a refresh token", await issued({ type: "refresh" })],
  ["a token from the middle of a login", await issued({ type: "mfa_session" })],
  ["no subject", await issued({ sub: undefined })],
  ["scopes that are no words", await issued({ scope: { admin: true } })],
  ["no token at all", "none"],
  ["longer than any of ours", `e30.${"x".repeat(9_000)}.x`],
]);
