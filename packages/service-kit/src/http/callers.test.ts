import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { silentLogger } from "@vigie/core/log";
import { SignJWT } from "jose";
import { test } from "vitest";
import { parseConfig } from "../config.ts";
import { rateLimitConfig, tokenConfig } from "../http-config.ts";
import { openRedis } from "../redis/redis.ts";
import { processConfig } from "../shared-config.ts";
import { AUDIENCE, ISSUER, NOW_MS } from "../testing/issuer.ts";
import { rateLimits, tokenVerifier } from "./callers.ts";

const schema = {
  ...processConfig,
  ...tokenConfig,
  ...rateLimitConfig,
};

const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicPem = ec.publicKey.export({ type: "spki", format: "pem" }).toString();
const SECRET = "a-development-secret";

function wiringOf(env: Record<string, string>) {
  const parsed = parseConfig(schema, env);
  assert.ok("config" in parsed, JSON.stringify(parsed));
  const { config } = parsed;
  const clock = () => NOW_MS;
  return { config, redis: null, clock, log: silentLogger };
}

function token(alg: string, claims: Record<string, unknown> = {}): Promise<string> {
  const issuedS = NOW_MS / 1_000;
  const times = { iat: issuedS, exp: issuedS + 60 };
  const all = { sub: "svc", type: "access", aud: AUDIENCE, iss: ISSUER, ...times, ...claims };
  const key = alg === "HS256" ? new TextEncoder().encode(SECRET) : ec.privateKey;
  return new SignJWT(all).setProtectedHeader({ alg }).sign(key);
}

test("tokens are verified by the PEM, of the accepted algorithms", async () => {
  const verifier = tokenVerifier(wiringOf({ JWT_PUBLIC_KEY: publicPem, JWT_ALGS: "RS256,ES256" }));
  const caller = await verifier.verify(await token("ES256", { tenant_id: "acme" }));
  assert.equal(caller.tenantId, "acme");
  const missing = verifier.verify(await token("ES256"));
  await assert.rejects(missing, { code: "VIG_TOKEN_INVALID" });
});

test("a key of an algorithm that is not accepted stops the start", () => {
  const wiring = wiringOf({ JWT_PUBLIC_KEY: publicPem, JWT_ALGS: "ES256" });
  const other = { ...wiring, config: { ...wiring.config, JWT_ALGS: ["RS256"] } };
  assert.throws(() => tokenVerifier(other), { code: "VIG_CONFIG_INVALID" });
});

test("CNF-06, CNF-08: a secret and a default tenant, in development", async () => {
  const verifier = tokenVerifier(wiringOf({ JWT_SECRET: SECRET, DEFAULT_TENANT: "main" }));
  assert.equal((await verifier.verify(await token("HS256"))).tenantId, "main");
});

test("rates come from the configuration, and hold without Redis", () => {
  const { limits, closables } = rateLimits(
    wiringOf({ JWT_SECRET: SECRET, RATE_LIMIT_USER_PER_MINUTE: "2" }),
  );
  const { limiter, rates } = limits;
  assert.deepEqual(rates.user, { perMinute: 2, burst: 2 });
  assert.deepEqual(
    [1, 2].map(() => limiter.take("k", 1, rates.user)),
    [0, 0],
  );
  assert.equal(limiter.take("k", 1, rates.user), 30_000);
  assert.deepEqual(closables, []);
});

test("with Redis away limits go on", async () => {
  const redis = openRedis({
    url: "redis://127.0.0.1:1",
    caPath: null,
    prefix: "",
    connectionName: "limits-test",
    log: silentLogger,
  });
  const wiring = wiringOf({ JWT_SECRET: SECRET, RATE_LIMIT_USER_PER_MINUTE: "1" });
  const { limits, closables } = rateLimits({ ...wiring, redis });
  const { limiter, rates } = limits;
  assert.equal(limiter.take("k", 1, rates.user), 0);
  assert.ok(limiter.take("k", 1, rates.user) > 0);
  for (const closable of [...closables, redis]) if ("close" in closable) await closable.close();
});

test("DEP-24: tests are not limited", () => {
  const { limits } = rateLimits(wiringOf({ JWT_SECRET: SECRET, NODE_ENV: "test" }));
  const takes = Array.from({ length: 10_000 }, () =>
    limits.limiter.take("k", 1_000, limits.rates.user),
  );
  assert.ok(takes.every((waitMs) => waitMs === 0));
});
