import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSigningKey } from "@vigie/service-kit/kms/signing-key";
import { onTestFinished, test } from "vitest";
import { manageKeys } from "./keys.ts";
import { checkpointKey } from "./lib/keys.mjs";

const NOW_MS = Date.UTC(2026, 0, 1);

function keysFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "vigie-keys-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "keys.json");
}

test("a keys file is created once, rotated ahead of time, and listed without secrets", () => {
  const file = keysFile();
  assert.equal(manageKeys(["create", file], NOW_MS), "k1  current from 2026-01-01T00:00:00.000Z");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.throws(() => manageKeys(["create", file], NOW_MS), /EEXIST/);
  manageKeys(["rotate", file], NOW_MS);
  manageKeys(["rotate", file, "2026-02-01T00:00:00Z"], NOW_MS);
  const lines = manageKeys(["list", file], NOW_MS)?.split("\n");
  assert.deepEqual(lines, [
    "k1  current from 2026-01-01T00:00:00.000Z",
    "k2  current from 2026-01-02T00:00:00.000Z",
    "k3  current from 2026-02-01T00:00:00.000Z",
  ]);
});

test("a signing key is made once, and its public form is printed then and later", () => {
  const file = keysFile();
  const vkey = manageKeys(["signing", file, "id.example.org/audit"], NOW_MS);
  assert.match(vkey ?? "", /^id\.example\.org\/audit\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{42}.$/);
  assert.equal(manageKeys(["vkey", file], NOW_MS), vkey);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.throws(() => manageKeys(["signing", file, "other"], NOW_MS), /EEXIST/);
  assert.equal(manageKeys(["signing", `${file}.new`], NOW_MS), null);
});

test("the key that npm start makes for development is one that services read", () => {
  const file = keysFile();
  writeFileSync(file, `${checkpointKey("vigie-audit")}\n`, { mode: 0o600 });
  assert.equal(readSigningKey(file).name, "vigie-audit");
});

test("anything else is answered with the usage, and changes nothing", () => {
  const file = keysFile();
  manageKeys(["create", file], NOW_MS);
  for (const argv of [[], ["rotate"], ["rotate", file, "soon"], ["drop", file]]) {
    assert.equal(manageKeys(argv, NOW_MS), null, argv.join(" "));
  }
  assert.equal(manageKeys(["list", file], NOW_MS)?.split("\n").length, 1);
});
