import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test } from "vitest";
import {
  type ConfigSource,
  flag,
  helpTable,
  integer,
  list,
  loadConfig,
  oneOf,
  optional,
  parseConfig,
  secret,
  text,
  url,
} from "./config.ts";
import { createSigningKey } from "./kms/signing-key.ts";
import {
  auditConfig,
  checkpointKeyConfig,
  databaseConfig,
  jwtConfig,
  kafkaConfig,
  keysConfig,
  keysOrLessConfig,
  tilesConfig,
} from "./shared-config.ts";

const schema = {
  MAX_TASK_IDLE_MS: integer({ about: "waits for a slower input", min: 0, max: 60_000 }),
  COMMIT_RECORDS_MAX: integer({ about: "per transaction", min: 1, max: 10_000 }),
  MODE: oneOf(["a", "b"], { about: "which way", default: "a" }),
  NAMES: list({ about: "names", default: [] }),
  NOTE: optional(text({ about: "a note" })),
};
const good = { MAX_TASK_IDLE_MS: "15", COMMIT_RECORDS_MAX: "1000" };

function faultsOf(env: Record<string, string>, of: Parameters<typeof parseConfig>[0] = schema) {
  const parsed = parseConfig(of, env);
  return "faults" in parsed ? parsed.faults : [];
}

class Exited extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

function recordingSource(env: Record<string, string>, ...argv: string[]) {
  const printed = { out: "", err: "" };
  const source: ConfigSource = {
    env,
    argv: ["node", "main.ts", ...argv],
    stdout: { write: (line: string) => (printed.out += line) },
    stderr: { write: (line: string) => (printed.err += line) },
    exit: (code) => {
      throw new Exited(code);
    },
  };
  return { source, printed };
}

const exitCode = (code: number) => (thrown: unknown) =>
  thrown instanceof Exited && thrown.code === code;

test("a valid environment gives typed values and defaults", () => {
  const { source } = recordingSource({ ...good, NAMES: "x, y,," });
  const config = loadConfig(schema, source);
  const idleMs: number = config.MAX_TASK_IDLE_MS;
  assert.equal(idleMs, 15);
  assert.equal(config.MODE, "a");
  assert.deepEqual(config.NAMES, ["x", "y"]);
  assert.equal(config.NOTE, null);
});

test("SEC-13: every fault is printed at once and the exit code is 78", () => {
  const { source, printed } = recordingSource({ MAX_TASK_IDLE_MS: "15s", MODE: "c" });
  assert.throws(() => loadConfig(schema, source), exitCode(78));
  assert.equal(
    printed.err,
    [
      "VIG_CONFIG_INVALID: 3 configuration faults",
      "  MAX_TASK_IDLE_MS is 15s, expected 0..60000 (waits for a slower input)",
      "  COMMIT_RECORDS_MAX is missing (per transaction)",
      "  MODE is c, expected a | b (which way)",
      "",
    ].join("\n"),
  );
});

test("--check-config exits 0 on a valid configuration and 78 on a bad one", () => {
  const valid = recordingSource(good, "--check-config");
  assert.throws(() => loadConfig(schema, valid.source), exitCode(0));
  const bad = recordingSource({}, "--check-config");
  assert.throws(() => loadConfig(schema, bad.source), exitCode(78));
  assert.match(bad.printed.err, /2 configuration faults/);
});

test("--help names every variable, even while the environment is bad", () => {
  const { source, printed } = recordingSource({}, "--help");
  assert.throws(() => loadConfig(schema, source), exitCode(0));
  for (const name of Object.keys(schema)) assert.match(printed.out, new RegExp(`^${name} `, "m"));
});

test("an empty variable counts as unset", () => {
  assert.deepEqual(faultsOf({ ...good, MODE: "" }), []);
  assert.equal(faultsOf({ ...good, COMMIT_RECORDS_MAX: " " }).length, 1);
});

const secretDefault = "development-secret-that-is-long-enough";
const secrets = {
  SIGNING: secret({ about: "signs", developmentDefault: secretDefault }),
  LENIENT: flag({ about: "skips checks", developmentOnly: true, default: false }),
};

test("SEC-13: production refuses a missing, default, short or repetitive secret", () => {
  const production = (SIGNING: string) => faultsOf({ NODE_ENV: "production", SIGNING }, secrets);
  for (const weak of ["", secretDefault, "0123456789abcdef", "ab".repeat(20)]) {
    assert.equal(production(weak).length, 1, `refuses ${weak}`);
  }
  assert.deepEqual(production("f3b0c44298fc1c149afbf4c8996fb924"), []);
});

test("SEC-13: development takes the default; production refuses development flags", () => {
  assert.deepEqual(faultsOf({ LENIENT: "true" }, secrets), []);
  const strong = { NODE_ENV: "production", SIGNING: "f3b0c44298fc1c149afbf4c8996fb924" };
  assert.match(faultsOf({ ...strong, LENIENT: "true" }, secrets)[0] ?? "", /production refuses/);
});

test("no secret and no password of a URL appears in faults or help", () => {
  const shy = { ...secrets, DB: url({ about: "store", schemes: ["postgres"] }) };
  const env = { NODE_ENV: "production", SIGNING: "hunter2", DB: "mysql://u:hunter2@h/d" };
  assert.equal(faultsOf(env, shy).length, 2);
  assert.doesNotMatch(faultsOf(env, shy).join() + helpTable(shy), /hunter2|that-is-long/);
});

test("SASL needs a user and a password only when a mechanism is set", () => {
  const env = { KAFKA_BROKERS: "a:9092, [::1]:9093" };
  assert.deepEqual(faultsOf(env, kafkaConfig), []);
  assert.equal(faultsOf({ ...env, KAFKA_SASL_MECHANISM: "plain" }, kafkaConfig).length, 2);
  assert.equal(faultsOf({ KAFKA_BROKERS: "a" }, kafkaConfig).length, 1);
});

test("a mechanism may stand in capitals; what would be left out without a word is a fault", () => {
  const env = { KAFKA_BROKERS: "a:9092" };
  const user = { KAFKA_SASL_USERNAME: "u", KAFKA_SASL_PASSWORD: "p" };
  const parsed = parseConfig(kafkaConfig, {
    ...env,
    ...user,
    KAFKA_SASL_MECHANISM: "SCRAM-SHA-512",
  });
  assert.ok("config" in parsed);
  assert.equal(parsed.config.KAFKA_SASL_MECHANISM, "scram-sha-512");
  const path = import.meta.filename;
  assert.equal(faultsOf({ ...env, ...user }, kafkaConfig).length, 2);
  assert.equal(faultsOf({ ...env, KAFKA_SSL_CA: path }, kafkaConfig).length, 1);
  const tls = { ...env, KAFKA_SSL: "true" };
  assert.equal(faultsOf({ ...tls, KAFKA_SSL_CERT: path }, kafkaConfig).length, 2);
  assert.deepEqual(
    faultsOf({ ...tls, KAFKA_SSL_CERT: path, KAFKA_SSL_KEY: path }, kafkaConfig),
    [],
  );
});

test("SEC-13: blanks around NODE_ENV or in place of a key let nothing slip through", () => {
  const JWT_SECRET = "f3b0c44298fc1c149afbf4c8996fb924";
  const production = { NODE_ENV: "production " };
  assert.equal(faultsOf({ ...production, SIGNING: "hunter2" }, secrets).length, 1);
  assert.equal(faultsOf({ ...production, JWT_SECRET, JWT_PUBLIC_KEY: " " }, jwtConfig).length, 2);
  assert.equal(faultsOf({ JWT_PUBLIC_KEY: " " }, jwtConfig).length, 1);
});

test("--check-config looks into the keys file and at what a database URL asks for", () => {
  const keys = { VIGIE_KEYS_FILE: import.meta.filename };
  assert.match(faultsOf(keys, keysConfig)[0] ?? "", /^VIGIE_KEYS_FILE is of no use/);
  assert.match(faultsOf(keys, keysOrLessConfig)[0] ?? "", /^VIGIE_KEYS_FILE is of no use/);
  assert.deepEqual(faultsOf({}, keysOrLessConfig), []);
  assert.equal(faultsOf({ NODE_ENV: "production" }, keysOrLessConfig).length, 1);
  const faults = (query: string, env = {}) =>
    faultsOf({ DATABASE_URL: `postgres://u:hunter2@h/d${query}`, ...env }, databaseConfig);
  assert.deepEqual(faults(""), []);
  assert.match(faults("?sslmode=prefer").join(), /sslmode prefer, expected disable/);
  const ca = { DATABASE_SSL_CA: import.meta.filename };
  assert.equal(faults("?sslmode=require", ca).length, 1);
  assert.deepEqual(faults("?sslmode=verify-ca", ca), []);
  assert.doesNotMatch(faults("?sslmode=prefer").join(), /hunter2/);
});

test("SEC-13: of several secrets each must be one, and none is shown", () => {
  const good = "f3b0c44298fc1c149afbf4c8996fb924";
  const env = (WORM_SIGNING_SECRETS_RETIRED: string) => ({
    NODE_ENV: "production",
    WORM_SIGNING_SECRET: "27ae41e4649b934ca495991b7852b855",
    WORM_SIGNING_SECRETS_RETIRED,
  });
  const parsed = parseConfig(auditConfig, env(`${good}, 27ae41e4649b934ca495991b7852b854,`));
  assert.ok("config" in parsed);
  assert.equal(parsed.config.WORM_SIGNING_SECRETS_RETIRED.length, 2);
  assert.equal(parsed.config.WORM_SIGNING_SECRETS_RETIRED[0], good);
  const faults = faultsOf(env(`${good},hunter2`), auditConfig);
  assert.match(faults.join(), /^WORM_SIGNING_SECRETS_RETIRED holds one that has under 32/);
  assert.doesNotMatch(faults.join(), /hunter2|f3b0c4/);
});

test("a log's key bears the log's name, and production wants a name of its own", () => {
  const folder = mkdtempSync(join(tmpdir(), "vigie-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const AUDIT_SIGNING_KEY_FILE = join(folder, "audit.key");
  const { verifierKey } = createSigningKey(AUDIT_SIGNING_KEY_FILE, "vigie-audit");
  const production = { NODE_ENV: "production", AUDIT_SIGNING_KEY_FILE };
  const faults = (env: Record<string, string>) => faultsOf(env, checkpointKeyConfig);
  assert.deepEqual(faults({ AUDIT_SIGNING_KEY_FILE, AUDIT_RETIRED_KEYS: verifierKey }), []);
  assert.match(faults(production).join(), /^AUDIT_ORIGIN is vigie-audit, the development default/);
  const other = faults({ ...production, AUDIT_ORIGIN: "id.example.org/audit" });
  assert.match(other.join(), /^AUDIT_SIGNING_KEY_FILE is the key of vigie-audit, but AUDIT_ORIGIN/);
  assert.match(faults({}).join(), /^AUDIT_SIGNING_KEY_FILE is missing/);
  assert.match(
    faults({ AUDIT_SIGNING_KEY_FILE: import.meta.filename }).join(),
    /^AUDIT_SIGNING_KEY_FILE is of no use/,
  );
  const retired = faults({ AUDIT_SIGNING_KEY_FILE, AUDIT_RETIRED_KEYS: "vigie-audit" });
  assert.equal(retired.length, 1);
});

test("stores and KMS are reached by TLS in production, and a place of tiles is a folder or a bucket", () => {
  const http = {
    VIGIE_KMS_ENDPOINT: "http://kms.internal",
    AUDIT_S3_ENDPOINT: "http://s3.internal",
  };
  const { VIGIE_KMS_ENDPOINT } = keysConfig;
  const schema = { VIGIE_KMS_ENDPOINT, ...tilesConfig };
  assert.deepEqual(faultsOf(http, schema), []);
  const faults = (env: Record<string, string>) =>
    faultsOf({ NODE_ENV: "production", ...env }, schema);
  assert.equal(faults(http).length, 2);
  const tls = { VIGIE_KMS_ENDPOINT: "https://kms", AUDIT_S3_ENDPOINT: "https://s3" };
  for (const place of ["/var/lib/tiles", "s3://audit/log"]) {
    assert.deepEqual(faults({ ...tls, AUDIT_TILES_URL: place }), []);
  }
  assert.match(faults({ AUDIT_TILES_URL: "gs://audit" }).join(), /^AUDIT_TILES_URL is no folder/);
});

test("CNF-06: HS256 works only without a public key and never in production", () => {
  const JWT_SECRET = "f3b0c44298fc1c149afbf4c8996fb924";
  assert.deepEqual(faultsOf({ JWT_SECRET }, jwtConfig), []);
  assert.equal(faultsOf({}, jwtConfig).length, 1);
  assert.equal(faultsOf({ JWT_SECRET, JWT_PUBLIC_KEY: "k" }, jwtConfig).length, 1);
  assert.equal(faultsOf({ JWT_SECRET, NODE_ENV: "production" }, jwtConfig).length, 2);
  const open = { NODE_ENV: "production", JWT_JWKS_URL: "http://id.example/keys" };
  assert.equal(faultsOf(open, jwtConfig).length, 1);
});
