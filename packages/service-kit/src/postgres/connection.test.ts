import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VigError } from "@vigie/core/errors";
import { onTestFinished, test } from "vitest";
import { clientConfig, schemaOf } from "./connection.ts";
import { databaseError, isRowRefused, mayRetry } from "./errors.ts";

const options = {
  url: "postgres://vigie@db:5432/vigie",
  applicationName: "vigie-test",
  schema: "vigie",
  statementTimeoutMs: 1_000,
};
const sslOf = (sslmode: string, caPath?: string) =>
  clientConfig({
    ...options,
    url: `${options.url}?sslmode=${sslmode}`,
    ...(caPath !== undefined && { caPath }),
  }).ssl;

function caFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "vigie-ca-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "ca.pem");
  writeFileSync(path, "PEM");
  return path;
}

test("SEC-11: sslmode decides on encryption, trust and the server's name", () => {
  assert.equal(clientConfig(options).ssl, false);
  assert.equal(sslOf("disable"), false);
  assert.deepEqual(sslOf("require"), { rejectUnauthorized: false });
  assert.deepEqual(sslOf("verify-full", caFile()), { ca: "PEM", rejectUnauthorized: true });
  const authority = sslOf("verify-ca", caFile());
  assert.ok(typeof authority === "object" && authority.rejectUnauthorized);
  assert.equal(authority.checkServerIdentity?.("db", {} as never), undefined);
});

test("pg itself is not told of sslmode, which it reads in another way", () => {
  const config = clientConfig({ ...options, url: `${options.url}?sslmode=require&x=1` });
  assert.equal(config.connectionString, "postgres://vigie@db:5432/vigie?x=1");
});

test("SEC-10: a URL cannot set aside the role, the schema or the encryption", () => {
  for (const more of [
    "options=-c%20role%3Dpostgres",
    "ssl=false",
    "sslrootcert=x",
    "sslmode=prefer",
  ]) {
    const url = `${options.url}?${more}`;
    assert.throws(() => clientConfig({ ...options, url }), /VIG_CONFIG_INVALID/, more);
  }
});

test("a connection has its schema, its role and UTC from the start", () => {
  const config = clientConfig({ ...options, role: "vigie_reader" });
  assert.equal(config.options, "-c search_path=vigie -c timezone=UTC -c role=vigie_reader");
});

test("a schema or role that could carry a setting is refused", () => {
  for (const schema of ["a -c role=postgres", "", 'a"b', "A"]) {
    assert.throws(() => clientConfig({ ...options, schema }), /VIG_CONFIG_INVALID/);
  }
});

test("the schema of a prefix", () => {
  assert.equal(schemaOf(""), "vigie");
  assert.equal(schemaOf("t01ab."), "t01ab_");
  assert.equal(schemaOf("Acme-EU."), "acme_eu_");
});

const failing = (code: string, message = "x") => Object.assign(new Error(message), { code });

test("an outage is told from a refused row, a wrong statement and a conflict", () => {
  const away = (error: Error) => databaseError(error) instanceof VigError;
  for (const code of [
    "ECONNREFUSED",
    "ENOTFOUND",
    "ETIMEDOUT",
    "57P01",
    "57P03",
    "08006",
    "53300",
  ]) {
    assert.ok(away(failing(code)), code);
  }
  assert.ok(away(new Error("Connection terminated unexpectedly")));
  for (const code of ["57014", "42P01", "23505", "22001", "40001"]) {
    assert.ok(!away(failing(code)), code);
  }
  assert.ok(!away(new TypeError("cannot read properties of undefined")));
  assert.ok(isRowRefused(failing("22P05")) && isRowRefused(failing("23503")));
  assert.ok(!isRowRefused(failing("57P01")) && !isRowRefused(new Error("x")));
  assert.ok(mayRetry(failing("40P01")) && !mayRetry(failing("23505")));
});
