import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VigError } from "@vigie/core/errors";
import fc from "fast-check";
import { onTestFinished, test } from "vitest";
import { openFileKeys } from "./file-keys.ts";
import { createKeysFile, readKeysFile, rotateKeysFile } from "./keys-file.ts";

const T0 = Date.UTC(2026, 0, 5, 10);
const DAY = 86_400_000;

function keysPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "vigie-keys-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "keys.json");
}

function createdPath(): string {
  const path = keysPath();
  createKeysFile(path, T0);
  return path;
}

const code = (expected: string) => (thrown: unknown) =>
  thrown instanceof VigError && thrown.code === expected;

test("a created file has mode 600 and gives the same keys each time", () => {
  const path = createdPath();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const keys = openFileKeys(path, () => T0);
  assert.deepEqual(openFileKeys(path, () => T0).hmacKey("molam-sn"), keys.hmacKey("molam-sn"));
  assert.notDeepEqual(keys.hmacKey("molam-ci").key, keys.hmacKey("molam-sn").key);
  assert.throws(() => createKeysFile(path, T0), /EEXIST/);
});

test("a file that others may read is refused", () => {
  const path = createdPath();
  chmodSync(path, 0o640);
  assert.throws(() => openFileKeys(path), code("VIG_KEYS_FILE_INVALID"));
});

test("a missing, broken or empty file is refused, and its content is not quoted", () => {
  assert.throws(() => openFileKeys(keysPath()), code("VIG_KEYS_FILE_INVALID"));
  const short = { id: "k1", active_from: "2026-01-05", secret: "c2hvcnQ=" };
  const bodies = ["s3cret{", "{}", '{"keys":[]}', JSON.stringify({ keys: [short] }), "null"];
  for (const body of bodies) {
    const path = keysPath();
    writeFileSync(path, body, { mode: 0o600 });
    assert.throws(
      () => openFileKeys(path),
      (thrown) => {
        assert.doesNotMatch(String(thrown), /s3cret|c2hvcnQ/);
        return true;
      },
    );
  }
});

test("rotation adds a version that takes over at its time; the old one stays comparable", () => {
  const path = createdPath();
  rotateKeysFile(path, T0 + 10 * DAY);
  assert.deepEqual(
    readKeysFile(path).map((key) => key.keyId),
    ["k1", "k2"],
  );
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const idAt = (atMs: number) => openFileKeys(path, () => atMs).hmacKey("t").keyId;
  assert.equal(idAt(T0 + 10 * DAY - 1), "k1");
  assert.equal(idAt(T0 + 10 * DAY), "k2");
  const comparable = (atMs: number) =>
    openFileKeys(path, () => atMs)
      .comparableHmacKeys("t")
      .map((key) => key.keyId);
  assert.deepEqual(comparable(T0), ["k1"]);
  assert.deepEqual(comparable(T0 + 39 * DAY), ["k2", "k1"]);
  assert.deepEqual(comparable(T0 + 40 * DAY), ["k2"]);
  const late = openFileKeys(path, () => T0 + 40 * DAY);
  assert.throws(() => late.hmacKeyById("t", "k1"), code("VIG_KEY_UNKNOWN"));
});

test("a rotation takes an id that no key has, whatever a person called the others", () => {
  const path = createdPath();
  const [first] = readKeysFile(path);
  const secret = first?.secret.toString("base64");
  const named = { keys: [{ id: "k2", active_from: new Date(T0).toISOString(), secret }] };
  writeFileSync(path, JSON.stringify(named), { mode: 0o600 });
  rotateKeysFile(path, T0 + DAY);
  assert.deepEqual(
    readKeysFile(path).map(({ keyId }) => keyId),
    ["k2", "k3"],
  );
});

test("SEC-11: an envelope opens again, also after a rotation", () => {
  const path = createdPath();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.string(), (plaintext, context) => {
      const keys = openFileKeys(path, () => T0);
      const envelope = keys.encrypt("audit.payload", plaintext, context);
      const opened = keys.decrypt("audit.payload", envelope, context);
      assert.deepEqual(new Uint8Array(opened), plaintext);
    }),
    { numRuns: 50 },
  );
  const envelope = openFileKeys(path, () => T0).encrypt("gps", Buffer.from("14.69"), "u-1");
  rotateKeysFile(path, T0 + DAY);
  const later = openFileKeys(path, () => T0 + 400 * DAY);
  assert.equal(later.decrypt("gps", envelope, "u-1").toString(), "14.69");
});

test("SEC-11: a changed byte, another purpose, context or keys file does not open", () => {
  const keys = openFileKeys(createdPath(), () => T0);
  const envelope = keys.encrypt("gps", Buffer.from("14.69,-17.44"), "u-1");
  const fails = (run: () => unknown) => assert.throws(run, (thrown) => thrown instanceof VigError);
  for (let i = 0; i < envelope.length; i++) {
    const changed = Buffer.from(envelope);
    changed[i] = (changed[i] ?? 0) ^ 1;
    fails(() => keys.decrypt("gps", changed, "u-1"));
    fails(() => keys.decrypt("gps", envelope.subarray(0, i), "u-1"));
  }
  fails(() => keys.decrypt("audit", envelope, "u-1"));
  fails(() => keys.decrypt("gps", envelope, "u-2"));
  fails(() => openFileKeys(createdPath()).decrypt("gps", envelope, "u-1"));
  assert.ok(!envelope.includes("14.69"));
});

test("two envelopes of one text differ, and the file holds no plain tenant key", () => {
  const path = createdPath();
  const keys = openFileKeys(path, () => T0);
  const twice = [1, 2].map(() => keys.encrypt("gps", Buffer.from("x"), "").toString("hex"));
  assert.notEqual(twice[0], twice[1]);
  assert.ok(!readFileSync(path, "utf8").includes(keys.hmacKey("t").key.toString("base64")));
});
