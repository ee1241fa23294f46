import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { parseConfig } from "@vigie/service-kit/config";
import { limitsAreOff } from "@vigie/service-kit/http-config";
import { describe, test } from "vitest";
import { edgeConfig } from "./config.ts";

const pemOf = (bits: number): string =>
  generateKeyPairSync("rsa", { modulusLength: bits })
    .publicKey.export({ type: "spki", format: "pem" })
    .toString();

const sound = {
  KAFKA_BROKERS: "127.0.0.1:9092",
  SCHEMA_REGISTRY_URL: "http://127.0.0.1:8081",
  AUDIT_ORIGIN: "id.molam.example/audit",
  JWT_PUBLIC_KEY: pemOf(2_048),
};

function faultsOf(env: Record<string, string>): readonly string[] {
  const parsed = parseConfig(edgeConfig, { ...sound, ...env });
  return "faults" in parsed ? parsed.faults : [];
}

function configOf(env: Record<string, string>) {
  const parsed = parseConfig(edgeConfig, { ...sound, ...env });
  assert.ok("config" in parsed, JSON.stringify(parsed));
  return parsed.config;
}

test("CNF-16: little has to be said, and the port is 3034", () => {
  assert.partialDeepStrictEqual(configOf({}), {
    PORT: 3_034,
    REDIS_URL: null,
    TRUSTED_PROXIES: [],
  });
});

test("SEC-03: a key that cannot verify a token is a fault before the start", () => {
  const faultOf = (env: Record<string, string>) => faultsOf(env).join();
  assert.match(faultOf({ JWT_PUBLIC_KEY: "/nowhere.pem" }), /^JWT_PUBLIC_KEY is no PEM/);
  assert.match(faultOf({ JWT_PUBLIC_KEY: pemOf(1_024) }), /^JWT_PUBLIC_KEY has under 2048 bits/);
  assert.match(faultOf({ JWT_ALGS: "ES256" }), /^JWT_PUBLIC_KEY is of RS256, which JWT_ALGS/);
  assert.deepEqual(faultsOf({ JWT_PUBLIC_KEY: sound.JWT_PUBLIC_KEY.replaceAll("\n", "\\n") }), []);
});

test("a database is optional, and looked at when it is named", () => {
  assert.partialDeepStrictEqual(configOf({}), { DATABASE_URL: null, DATABASE_ROLE: null });
  const url = "postgres://vigie_edge_login@db.internal/vigie?sslmode=verify-full";
  assert.equal(configOf({ DATABASE_URL: url }).DATABASE_URL, url);
  assert.match(
    faultsOf({ DATABASE_URL: "postgres://db/vigie?sslmode=maybe" }).join(),
    /^DATABASE_URL/,
  );
  assert.match(faultsOf({ DATABASE_ROLE: "Robert'); --" }).join(), /^DATABASE_ROLE/);
});

test("trusted proxies are addresses or networks", () => {
  assert.deepEqual(
    configOf({ TRUSTED_PROXIES: "10.0.0.0/8, 2001:db8::/32,192.0.2.7" }).TRUSTED_PROXIES,
    ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"],
  );
});

test.each(["10.0.0.0/33", "proxy.example", "10.0.0.0/8/8", "2001:db8::/129", "10.0.0"])(
  "%s is no network",
  (text) => {
    const [fault, ...more] = faultsOf({ TRUSTED_PROXIES: `10.0.0.0/8,${text}` });
    assert.match(fault ?? "", /^TRUSTED_PROXIES has /);
    assert.deepEqual(more, []);
  },
);

describe("SEC-13, CNF-06: production refuses", () => {
  test.each([
    ["JWT_SECRET", { JWT_SECRET: "x".repeat(40) }],
    ["DEFAULT_TENANT", { DEFAULT_TENANT: "main" }],
    ["ENV", { ENV: "test" }],
    ["JWT_JWKS_URL", { JWT_JWKS_URL: "http://id.molam.example/jwks" }],
  ])("%s", (name, env) => {
    const faults = faultsOf({ NODE_ENV: "production", ...env });
    assert.ok(
      faults.some((fault) => fault.startsWith(name)),
      faults.join("\n"),
    );
  });
});

test("DEP-24, CNF-15: limits are off in tests only", () => {
  assert.equal(limitsAreOff(configOf({})), false);
  assert.equal(limitsAreOff(configOf({ ENV: "test" })), true);
  assert.equal(limitsAreOff(configOf({ NODE_ENV: "test" })), true);
  assert.equal(limitsAreOff(configOf({ NODE_ENV: "production" })), false);
});
