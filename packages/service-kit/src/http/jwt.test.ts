import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import { describe, test } from "vitest";
import { type Caller, createTokenVerifier } from "./jwt.ts";
import { type KeySource, pemKeys, secretKeys } from "./jwt-keys.ts";

const NOW_MS = 1_767_607_200_000;
const nowS = NOW_MS / 1_000;
const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
const everyAlgorithm = ["RS256", "ES256", "EdDSA"];

const claims = (changes: Record<string, unknown> = {}) => ({
  sub: "u-1",
  tenant_id: "acme",
  type: "access",
  scope: "events:write id:admin",
  aud: "molam-id",
  iss: "https://id.molam.example",
  iat: nowS,
  exp: nowS + 900,
  ...changes,
});

const sign = (
  alg: string,
  key: KeyObject | Uint8Array,
  changes: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> => new SignJWT(claims(changes)).setProtectedHeader({ ...header, alg }).sign(key);

function verifierOf(keys: KeySource, defaultTenant: string | null = null) {
  let nowMs = NOW_MS;
  const audience = "molam-id";
  const issuer = "https://id.molam.example";
  const clock = () => nowMs;
  const verifier = createTokenVerifier({ keys, audience, issuer, defaultTenant, clock });
  return { verifier, pass: (ms: number) => (nowMs += ms) };
}

const verify = (keys: KeySource, token: string, defaultTenant: string | null = null) =>
  verifierOf(keys, defaultTenant).verifier.verify(token);

const refusal = (why?: RegExp) => (error: unknown) => {
  const { code, message } = error as { code?: string; message: string };
  assert.equal(code, "VIG_TOKEN_INVALID");
  if (why !== undefined) assert.match(message, why);
  return true;
};

describe("keys are pinned to their algorithm", () => {
  test.each([
    ["RS256", rsa],
    ["ES256", ec],
    ["EdDSA", ed],
  ] as const)("%s is verified", async (alg, { publicKey, privateKey }) => {
    const keys = pemKeys(pem(publicKey), everyAlgorithm);
    assert.deepEqual(keys.algorithms, [alg]);
    const caller = await verify(keys, await sign(alg, privateKey));
    assert.equal(caller.tenantId, "acme");
  });

  test("a token that many bring at once is verified once, a bad one for all of them", async () => {
    const keys = pemKeys(pem(ec.publicKey), everyAlgorithm);
    let asked = 0;
    const keyOf: KeySource["keyOf"] = (...args) => {
      asked += 1;
      return keys.keyOf(...args);
    };
    const { verifier, pass } = verifierOf({ ...keys, keyOf });
    const [good, bad] = [await sign("ES256", ec.privateKey), "a.b.c"];
    const callers = await Promise.all(Array.from({ length: 50 }, () => verifier.verify(good)));
    assert.equal(asked, 1);
    assert.equal(new Set(callers).size, 1);
    pass(60_000);
    await Promise.all([verifier.verify(good), verifier.inspect(good)]);
    assert.equal(asked, 2);
    for (const attempt of [verifier.verify(bad), verifier.verify(bad)]) {
      await assert.rejects(attempt, refusal());
    }
    await assert.rejects(verifier.verify(bad), refusal());
  });

  test("HS256 with the public key as secret is refused", async () => {
    const publicPem = pem(rsa.publicKey);
    const head = Buffer.from(JSON.stringify({ alg: "HS256" })).toString("base64url");
    const body = Buffer.from(JSON.stringify(claims())).toString("base64url");
    const mac = createHmac("sha256", publicPem).update(`${head}.${body}`).digest("base64url");
    const keys = pemKeys(publicPem, everyAlgorithm);
    await assert.rejects(verify(keys, `${head}.${body}.${mac}`), refusal(/algorithm/));
  });

  test("a token without signature is refused", async () => {
    const head = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    const body = Buffer.from(JSON.stringify(claims())).toString("base64url");
    const keys = pemKeys(pem(rsa.publicKey), everyAlgorithm);
    await assert.rejects(verify(keys, `${head}.${body}.`), refusal());
  });

  test.each(["PS256", "RS512"])("an RSA key takes no %s", async (alg) => {
    const keys = pemKeys(pem(rsa.publicKey), everyAlgorithm);
    await assert.rejects(verify(keys, await sign(alg, rsa.privateKey)), refusal(/algorithm/));
  });

  test("a signature of another key is refused", async () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const keys = pemKeys(pem(ec.publicKey), everyAlgorithm);
    await assert.rejects(verify(keys, await sign("ES256", other.privateKey)), refusal(/signature/));
  });

  test("CNF-06: HS256 by a secret takes nothing else", async () => {
    const secret = "development-secret-of-some-length";
    const keys = secretKeys(secret);
    const caller = await verify(keys, await sign("HS256", new TextEncoder().encode(secret)));
    assert.equal(caller.subject, "u-1");
    await assert.rejects(verify(keys, await sign("RS256", rsa.privateKey)), refusal(/algorithm/));
  });
});

describe("a key that cannot be used is told at start", () => {
  const short = generateKeyPairSync("rsa", { modulusLength: 1_024 });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const privatePem = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  test.each([
    ["a short RSA key", pem(short.publicKey), everyAlgorithm],
    ["another curve", pem(p384.publicKey), everyAlgorithm],
    ["an algorithm that is left out", pem(ec.publicKey), ["RS256"]],
    ["a private key", privatePem, everyAlgorithm],
    ["no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", everyAlgorithm],
    ["a file that is not there", "/nowhere/key.pem", everyAlgorithm],
  ])("%s", (_name, text, accepted) => {
    assert.throws(() => pemKeys(text, accepted), { code: "VIG_CONFIG_INVALID" });
  });

  test("a PEM on one line is read", () => {
    const oneLine = pem(ec.publicKey).replaceAll("\n", "\\n");
    assert.deepEqual(pemKeys(oneLine, ["ES256"]).algorithms, ["ES256"]);
  });
});

describe("times", () => {
  const keys = pemKeys(pem(ec.publicKey), ["ES256"]);
  const signed = (changes: Record<string, unknown>) => sign("ES256", ec.privateKey, changes);

  test("clocks may differ by 5 s", async () => {
    await verify(keys, await signed({ exp: nowS - 4 }));
    await verify(keys, await signed({ iat: nowS + 5, nbf: nowS + 5 }));
    const late = verify(keys, await signed({ exp: nowS - 5 }));
    await assert.rejects(late, { code: "VIG_TOKEN_EXPIRED" });
    await assert.rejects(verify(keys, await signed({ iat: nowS + 6 })), refusal(/future/));
    await assert.rejects(verify(keys, await signed({ nbf: nowS + 6 })), refusal(/nbf/));
  });

  test("a verified token is known for 60 s, then verified again", async () => {
    const { verifier, pass } = verifierOf(keys);
    const token = await signed({});
    assert.equal(verifier.known(token), undefined);
    const caller = await verifier.verify(token);
    assert.equal(verifier.known(token), caller);
    assert.equal(verifier.known(`${token}x`), undefined);
    pass(60_000);
    assert.equal(verifier.known(token), undefined);
  });

  test("and not beyond its own end", async () => {
    const { verifier, pass } = verifierOf(keys);
    const token = await signed({ exp: nowS + 10 });
    await verifier.verify(token);
    pass(10_000);
    assert.equal(verifier.known(token), undefined);
  });
});

describe("claims", () => {
  const keys = pemKeys(pem(ec.publicKey), ["ES256"]);
  const callerOf = async (
    changes: Record<string, unknown>,
    defaultTenant: string | null = null,
  ): Promise<Caller> => verify(keys, await sign("ES256", ec.privateKey, changes), defaultTenant);

  test("a token without session and user type is a service's", async () => {
    const caller = await callerOf({ client_id: "auth" });
    assert.partialDeepStrictEqual(caller, { kind: "service", clientId: "auth", sessionId: null });
    assert.deepEqual([...caller.scopes], ["events:write", "id:admin"]);
    assert.equal(caller.limitKey, "acme|auth");
  });

  test.each([
    { sid: "s-1" },
    { user_type: "EXTERNAL" },
    { user_type: "internal", client_id: "app" },
  ])("%j makes it a person's", async (changes) => {
    const caller = await callerOf(changes);
    assert.equal(caller.kind, "user");
    assert.equal(caller.limitKey, `acme|${changes.client_id ?? ""}|u-1`);
  });

  test("scope and roles may be lists", async () => {
    const caller = await callerOf({ scope: ["a", "b"], roles: ["r"], org_id: "pay" });
    assert.deepEqual([...caller.scopes], ["a", "b"]);
    assert.deepEqual([caller.roles, caller.orgId], [["r"], "pay"]);
  });

  test.each([
    ["nobody", {}, null],
    ["act (RFC 8693)", { act: { sub: "admin-1", act: { sub: "earlier" } } }, "admin-1"],
    ["a plain claim", { impersonator_id: "admin-1" }, "admin-1"],
    ["both", { act: { sub: "admin-1" }, impersonator_id: "admin-1" }, "admin-1"],
  ])("AUD-12: who is behind the token is said by %s", async (_by, changes, expected) => {
    assert.equal((await callerOf(changes)).impersonatorId, expected);
  });

  test("CNF-08: a default tenant stands in for a missing one only", async () => {
    const missing = await callerOf({ tenant_id: undefined }, "main");
    const given = await callerOf({}, "main");
    assert.deepEqual([missing.tenantId, given.tenantId], ["main", "acme"]);
  });

  test.each([
    { sub: 42 },
    { sub: "a|b" },
    { tenant_id: 7 },
    { tenant_id: "" },
    { sid: 1 },
    { sid: "s".repeat(129) },
    { sid: "s\u0000" },
    { sub: "u-\ud800" },
    { client_id: "\udfff" },
    { roles: ["\ud800"] },
    { user_type: "ROBOT" },
    { scope: [1] },
    { roles: { admin: true } },
    { aud: ["other"] },
    { act: "admin-1" },
    { act: {} },
    { act: { sub: "a|b" } },
    { act: { sub: "admin-1" }, impersonator_id: "admin-2" },
  ])("%j is refused", async (changes) => {
    await assert.rejects(callerOf(changes), refusal());
  });

  test("a token longer than any of ours is not looked at", async () => {
    await assert.rejects(verify(keys, "x".repeat(9_000)), refusal(/too long/));
  });
});
