import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { exportJWK, type JWK, SignJWT } from "jose";
import { describe, test } from "vitest";
import { createTokenVerifier } from "./jwt.ts";
import { jwksKeys } from "./jwt-keys.ts";

const NOW_MS = 1_767_607_200_000;
const nowS = NOW_MS / 1_000;
const URL = "https://id.molam.example/jwks";

interface Issued {
  readonly kid: string;
  readonly alg: string;
  readonly jwk: JWK;
  token(header?: Record<string, unknown>): Promise<string>;
}

async function issue(kid: string, alg: "ES256" | "RS256" = "ES256"): Promise<Issued> {
  const pair =
    alg === "ES256"
      ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg, use: "sig" };
  const claims = {
    sub: "svc",
    tenant_id: "acme",
    type: "access",
    aud: "a",
    iss: "i",
    iat: nowS,
    exp: nowS + 86_400,
  };
  const token = (header: Record<string, unknown> = {}) =>
    new SignJWT(claims).setProtectedHeader({ alg, kid, ...header }).sign(pair.privateKey);
  return { kid, alg, jwk, token };
}

function issuer(keys: JWK[]) {
  let nowMs = NOW_MS;
  const state = { keys, away: false, fetched: [] as string[] };
  const source = jwksKeys({
    url: URL,
    accepted: ["RS256", "ES256"],
    log: silentLogger,
    clock: () => nowMs,
    outbound: {
      json: async (url) => {
        state.fetched.push(url);
        if (state.away) throw new VigError("VIG_OUTBOUND_AWAY", { why: "test" });
        return { keys: state.keys };
      },
    },
  });
  const verifier = createTokenVerifier({
    keys: source,
    audience: "a",
    issuer: "i",
    defaultTenant: null,
    clock: () => nowMs,
  });
  return { state, verifier, pass: (ms: number) => (nowMs += ms) };
}

const unknownKey = { code: "VIG_TOKEN_INVALID" };

describe("keys by key set", () => {
  test("are fetched once for many tokens", async () => {
    const [one, two] = [await issue("one"), await issue("two", "RS256")];
    const { state, verifier } = issuer([one.jwk, two.jwk]);
    await Promise.all(
      [one.token(), two.token()].map(async (token) => verifier.verify(await token)),
    );
    assert.deepEqual(state.fetched, [URL]);
  });

  test("a new key is found, but the set is fetched at most every 30 s", async () => {
    const [old, fresh] = [await issue("old"), await issue("fresh")];
    const { state, verifier, pass } = issuer([old.jwk]);
    await verifier.verify(await old.token());
    state.keys = [old.jwk, fresh.jwk];
    for (let tries = 0; tries < 5; tries += 1) {
      await assert.rejects(verifier.verify(await fresh.token()), unknownKey);
    }
    assert.equal(state.fetched.length, 1);
    pass(30_000);
    await verifier.verify(await fresh.token());
    assert.equal(state.fetched.length, 2);
  });

  test("while the issuer is away known keys stay valid, and it is not asked more often", async () => {
    const one = await issue("one");
    const { state, verifier, pass } = issuer([one.jwk]);
    await verifier.verify(await one.token());
    state.away = true;
    pass(700_000);
    await verifier.verify(await one.token());
    await verifier.verify(await one.token());
    assert.equal(state.fetched.length, 2);
  });

  test("before any key is known, a token is answered with 503 and when to come back", async () => {
    const one = await issue("one");
    const { state, verifier, pass } = issuer([one.jwk]);
    state.away = true;
    const away = { code: "VIG_KEYS_AWAY", details: { retryAfterS: 30 } };
    await assert.rejects(verifier.verify(await one.token()), away);
    await assert.rejects(verifier.verify(await one.token()), away);
    assert.equal(state.fetched.length, 1);
    state.away = false;
    pass(30_000);
    await verifier.verify(await one.token());
  });

  test("jku, x5u and jwk of a token are never looked at", async () => {
    const [ours, theirs] = [await issue("k"), await issue("k")];
    const { state, verifier } = issuer([ours.jwk]);
    const jku = "https://evil.example/jwks";
    const forged = await theirs.token({ jku, x5u: jku, jwk: theirs.jwk });
    await assert.rejects(verifier.verify(forged), unknownKey);
    assert.deepEqual(new Set(state.fetched), new Set([URL]));
  });

  test("a key is pinned to its algorithm", async () => {
    const rsa = await issue("k", "RS256");
    const { verifier } = issuer([{ ...rsa.jwk, alg: "PS256" }]);
    await assert.rejects(verifier.verify(await rsa.token()), unknownKey);
  });

  test("a private key in the set signs nothing", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = { ...(await exportJWK(privateKey)), kid: "k", alg: "ES256" };
    const { verifier } = issuer([jwk]);
    const claims = { sub: "x", aud: "a", iss: "i", iat: nowS, exp: nowS + 60 };
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", kid: "k" })
      .sign(privateKey);
    await assert.rejects(verifier.verify(token), unknownKey);
  });

  test("what is no key set counts as an issuer that is away", async () => {
    const one = await issue("one");
    const { state, verifier } = issuer([]);
    state.keys = "nonsense" as never;
    await assert.rejects(verifier.verify(await one.token()), { code: "VIG_KEYS_AWAY" });
  });
});
