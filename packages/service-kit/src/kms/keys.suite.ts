import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VigError } from "@vigie/core/errors";
import { type Clock, DAY_MS } from "@vigie/core/time";
import fc from "fast-check";
import { onTestFinished, test } from "vitest";
import { ipHash, isAddressOf } from "./addresses.ts";
import type { Keys } from "./keys.ts";
import { readKeysFile } from "./keys-file.ts";

/** One way of keeping master keys in a file. */
export interface KeysProvider {
  create(path: string, nowMs: number): Promise<void>;
  rotate(path: string, activeFromMs: number): Promise<void>;
  open(path: string, clock?: Clock): Promise<Keys>;
}

const T0 = Date.UTC(2026, 0, 5, 10);

export const codeIs = (expected: string) => (thrown: unknown) =>
  thrown instanceof VigError && thrown.code === expected;

/** A path in a folder of its own, where no file is yet. */
export function keysPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "vigie-keys-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "keys.json");
}

/** What every provider of keys promises. */
export function keysSuite(name: string, provider: KeysProvider): void {
  const { create, rotate, open } = provider;
  const createdPath = async (): Promise<string> => {
    const path = keysPath();
    await create(path, T0);
    return path;
  };

  test(`${name}: a created file has mode 600 and gives the same keys each time`, async () => {
    const path = await createdPath();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const keys = await open(path, () => T0);
    const again = await open(path, () => T0);
    assert.deepEqual(again.hmacKey("molam-sn"), keys.hmacKey("molam-sn"));
    assert.notDeepEqual(keys.hmacKey("molam-ci").key, keys.hmacKey("molam-sn").key);
    await assert.rejects(create(path, T0), /EEXIST/);
  });

  test(`${name}: a rotation adds a version that takes over at its time; the old one compares for 30 days`, async () => {
    const path = await createdPath();
    await rotate(path, T0 + 10 * DAY_MS);
    assert.deepEqual(
      readKeysFile(path).map((key) => key.keyId),
      ["k1", "k2"],
    );
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const idAt = async (atMs: number) => (await open(path, () => atMs)).hmacKey("t").keyId;
    assert.equal(await idAt(T0 + 10 * DAY_MS - 1), "k1");
    assert.equal(await idAt(T0 + 10 * DAY_MS), "k2");
    const comparable = async (atMs: number) =>
      (await open(path, () => atMs)).comparableHmacKeys("t").map((key) => key.keyId);
    assert.deepEqual(await comparable(T0), ["k1"]);
    assert.deepEqual(await comparable(T0 + 39 * DAY_MS), ["k2", "k1"]);
    assert.deepEqual(await comparable(T0 + 40 * DAY_MS), ["k2"]);
    const late = await open(path, () => T0 + 40 * DAY_MS);
    assert.throws(() => late.hmacKeyById("t", "k1"), codeIs("VIG_KEY_UNKNOWN"));
  });

  test(`${name}: SEC-11: an envelope opens again; a changed byte, purpose or context does not`, async () => {
    const keys = await open(await createdPath(), () => T0);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.string(), (plaintext, context) => {
        const envelope = keys.encrypt("audit.payload", plaintext, context);
        const opened = keys.decrypt("audit.payload", envelope, context);
        assert.deepEqual(new Uint8Array(opened), plaintext);
      }),
      { numRuns: 50 },
    );
    const envelope = keys.encrypt("gps", Buffer.from("14.69,-17.44"), "u-1");
    const fails = (run: () => unknown) =>
      assert.throws(run, (thrown) => thrown instanceof VigError);
    for (let i = 0; i < envelope.length; i++) {
      const changed = Buffer.from(envelope);
      changed[i] = (changed[i] ?? 0) ^ 1;
      fails(() => keys.decrypt("gps", changed, "u-1"));
      fails(() => keys.decrypt("gps", envelope.subarray(0, i), "u-1"));
    }
    fails(() => keys.decrypt("audit", envelope, "u-1"));
    fails(() => keys.decrypt("gps", envelope, "u-2"));
    const others = await open(await createdPath());
    fails(() => others.decrypt("gps", envelope, "u-1"));
    assert.ok(!envelope.includes("14.69"));
  });

  test(`${name}: two envelopes of one text differ, and the file holds no plain tenant key`, async () => {
    const path = await createdPath();
    const keys = await open(path, () => T0);
    const twice = [1, 2].map(() => keys.encrypt("gps", Buffer.from("x"), "").toString("hex"));
    assert.notEqual(twice[0], twice[1]);
    assert.ok(!readFileSync(path, "utf8").includes(keys.hmacKey("t").key.toString("base64")));
  });

  runningRotation(name, provider, createdPath);
}

/** A rotation while services run: each knows of it once it was restarted with the file. */
function runningRotation(
  name: string,
  { rotate, open }: KeysProvider,
  createdPath: () => Promise<string>,
): void {
  const PURPOSE = "audit.subject";
  const subject = Buffer.alloc(32, 7);

  test(`${name}: keys of persons that were wrapped before a rotation open after it, unchanged, for ever`, async () => {
    const path = await createdPath();
    const before = (await open(path, () => T0)).encrypt(PURPOSE, subject, "ref-1");
    await rotate(path, T0 + DAY_MS);
    const late = await open(path, () => T0 + 4_000 * DAY_MS);
    assert.deepEqual(late.decrypt(PURPOSE, before, "ref-1"), subject);
    const after = late.encrypt(PURPOSE, subject, "ref-1");
    assert.ok(before.includes("k1") && after.includes("k2"));
  });

  test(`${name}: all change over at one time, restarted or not, as long as they are restarted before it`, async () => {
    const path = await createdPath();
    let nowMs = T0;
    const early = await open(path, () => nowMs);
    await rotate(path, T0 + DAY_MS);
    const restarted = await open(path, () => nowMs);
    const both = [early, restarted];
    for (const keys of both) assert.equal(keys.hmacKey("t").keyId, "k1");
    assert.deepEqual(early.hmacKey("t"), restarted.hmacKey("t"));
    const wrapped = restarted.encrypt(PURPOSE, subject, "ref-1");
    assert.deepEqual(early.decrypt(PURPOSE, wrapped, "ref-1"), subject);

    nowMs = T0 + DAY_MS;
    assert.equal(restarted.hmacKey("t").keyId, "k2");
    // Whoever was not restarted in time goes on with the old key, which everyone opens and compares,
    assert.equal(early.hmacKey("t").keyId, "k1");
    const old = early.encrypt(PURPOSE, subject, "ref-1");
    assert.deepEqual(restarted.decrypt(PURPOSE, old, "ref-1"), subject);
    // and fails at what the new key wrapped, rather than to take it for something else.
    const fresh = restarted.encrypt(PURPOSE, subject, "ref-1");
    assert.throws(() => early.decrypt(PURPOSE, fresh, "ref-1"), codeIs("VIG_KEY_UNKNOWN"));
  });

  test(`${name}: PRV-03: a hash of an address under the replaced key compares for 30 days`, async () => {
    const path = await createdPath();
    let nowMs = T0;
    const stored = ipHash(await open(path, () => nowMs), "molam-sn", "41.82.17.203");
    assert.ok(stored);
    await rotate(path, T0 + DAY_MS);
    const keys = await open(path, () => nowMs);
    const same = (): boolean => isAddressOf(keys, "molam-sn", "41.82.17.203", stored);
    assert.ok(same());
    nowMs = T0 + 31 * DAY_MS - 1;
    assert.ok(same());
    nowMs = T0 + 31 * DAY_MS;
    assert.ok(!same());
  });
}
