import assert from "node:assert/strict";
import { createPublicKey, sign, verify } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VigError } from "@vigie/core/errors";
import { onTestFinished, test } from "vitest";
import { createSigningKey, readSigningKey } from "./signing-key.ts";

function keyPath(content?: string): string {
  const folder = mkdtempSync(join(tmpdir(), "vigie-signing-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "audit.key");
  if (content !== undefined) writeFileSync(path, content, { mode: 0o600 });
  return path;
}

const invalid = (thrown: unknown) =>
  thrown instanceof VigError && thrown.code === "VIG_KEYS_FILE_INVALID";

test("a created key signs as its public form verifies, and its file has mode 600", () => {
  const path = keyPath();
  const created = createSigningKey(path, "id.example.org/audit");
  const key = readSigningKey(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(key.name, "id.example.org/audit");
  assert.equal(key.verifierKey, created.verifierKey);
  const signature = sign(null, Buffer.from("tree"), created.privateKey);
  assert.ok(verify(null, Buffer.from("tree"), createPublicKey(key.privateKey), signature));
  assert.throws(() => createSigningKey(path, "id.example.org/audit"), /EEXIST/);
  for (const name of ["", "a b", "a+b", "a,b"]) {
    assert.throws(() => createSigningKey(keyPath(), name), invalid);
  }
});

test("a witness's key is of the type that cosigns", () => {
  const path = keyPath();
  const { verifierKey } = createSigningKey(path, "witness.example.org", "cosignature");
  const key = readSigningKey(path);
  assert.deepEqual([key.type, key.verifierKey], ["cosignature", verifierKey]);
  assert.equal(Buffer.from(verifierKey.split("+").slice(2).join("+"), "base64")[0], 4);
});

/** Source: PeterNeumann of the tests of golang.org/x/mod/sumdb/note, whose key pair is published there. */
const PETER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

test("a key written by Go's package note is read as it is", () => {
  assert.equal(readSigningKey(keyPath(`${PETER}\n`)).verifierKey, PETER_VERIFIER);
});

test("a file that is open to others, missing, torn or of another key is refused, unquoted", () => {
  const open = keyPath(PETER);
  chmodSync(open, 0o644);
  const bodies = [
    "",
    PETER.slice(0, -2),
    PETER.replace("c74f20a3", "c74f20a4"),
    PETER.replace("PeterNeumann", "PeterNewmann"),
    PETER.replace("+AYEK", "+CIEK"),
    PETER_VERIFIER,
  ];
  const paths = [open, keyPath(), ...bodies.map((body) => keyPath(body))];
  for (const path of paths) {
    assert.throws(
      () => readSigningKey(path),
      (thrown) => invalid(thrown) && !String(thrown).includes("FALVFGyNhPJ"),
      path,
    );
  }
  assert.equal(readFileSync(open, "utf8"), PETER);
});
