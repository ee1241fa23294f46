import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "vitest";

const main = join(import.meta.dirname, "main.ts");
const env = {
  KAFKA_BROKERS: "127.0.0.1:1",
  SCHEMA_REGISTRY_URL: "http://127.0.0.1:1",
  DATABASE_URL: "postgres://vigie:hunter2@127.0.0.1:1/vigie",
};
const run = (variables: Record<string, string>, flag: string) =>
  spawnSync(process.execPath, [main, flag], { env: variables, encoding: "utf8" });

test("--check-config exits 0 on a valid configuration, without any server", () => {
  const { status, stdout } = run(env, "--check-config");
  assert.equal(status, 0);
  assert.match(stdout, /valid/);
});

test("--check-config exits 78 with every fault, and shows no password", () => {
  const faulty = { ...env, KAFKA_BROKERS: "nowhere", DATABASE_URL: "mysql://u:hunter2@h/d" };
  const { status, stderr } = run({ ...faulty, METRICS_PORT: "many" }, "--check-config");
  assert.equal(status, 78);
  assert.match(stderr, /VIG_CONFIG_INVALID: 3 configuration faults/);
  for (const name of ["KAFKA_BROKERS", "DATABASE_URL", "METRICS_PORT"]) {
    assert.match(stderr, new RegExp(`^ {2}${name} `, "m"));
  }
  assert.doesNotMatch(stderr, /hunter2/);
});

test("--help names every variable with its default", () => {
  const { status, stdout } = run({}, "--help");
  assert.equal(status, 0);
  assert.match(stdout, /^METRICS_PORT .*default 9103$/m);
  assert.match(stdout, /^KAFKA_BROKERS .*required$/m);
});
