import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS } from "@vigie/core/time";
import { afterAll, beforeEach, test, vi } from "vitest";
import { createHealth } from "../health.ts";
import { startFakeKms } from "../testing/fake-kms.ts";
import { openAwsKms } from "./aws-kms.ts";
import { codeIs, keysPath, keysSuite } from "./keys.suite.ts";
import {
  createKeysFile,
  FIRST_KEY_ID,
  nextKeyId,
  readKeysFile,
  replaceKeys,
  rotateKeysFile,
  type WrappedSecret,
} from "./keys-file.ts";
import { awaitKeys, openKeys } from "./open-keys.ts";

const T0 = Date.UTC(2026, 0, 5, 10);
const fake = await startFakeKms();
afterAll(() => fake.close());
afterAll(() => void vi.unstubAllEnvs());
beforeEach(() => {
  fake.trouble = () => null;
  vi.stubEnv("AWS_ACCESS_KEY_ID", fake.credentials.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", fake.credentials.secretAccessKey);
});

const config = (path: string) => ({ VIGIE_KEYS_FILE: path, VIGIE_KMS_ENDPOINT: fake.url });

/** Without AWS's pauses and patience. */
const impatient = (endpoint = fake.url) =>
  openAwsKms({ endpoint, waiting: { connectMs: 500, requestMs: 300, attemptsMax: 2 } });

const kms = impatient();
afterAll(() => kms.close());

async function createWrapped(path: string, nowMs: number, key = fake.key): Promise<void> {
  createKeysFile(path, nowMs, await kms.generate(key, FIRST_KEY_ID));
}

keysSuite("file", {
  create: async (path, nowMs) => createKeysFile(path, nowMs),
  rotate: async (path, atMs) => rotateKeysFile(path, atMs),
  open: (path, clock) => openKeys(config(path), clock),
});

keysSuite("KMS", {
  create: createWrapped,
  async rotate(path, atMs) {
    rotateKeysFile(path, atMs, await kms.generate(fake.key, nextKeyId(readKeysFile(path))));
  },
  open: (path, clock) => openKeys(config(path), clock),
});

test("a file that others may read is refused", async () => {
  const path = keysPath();
  createKeysFile(path, T0);
  chmodSync(path, 0o640);
  await assert.rejects(openKeys(config(path)), codeIs("VIG_KEYS_FILE_INVALID"));
});

test("a missing, broken or empty file is refused, and its content is not quoted", async () => {
  const key = { id: "k1", active_from: "2026-01-05" };
  const secret = Buffer.alloc(32, 1).toString("base64");
  const keys = [
    { ...key, secret: "c2hvcnQ=" },
    { ...key, wrapped: "c2hvcnQ=" },
    { ...key, wrapped: "c2hvcnQ=", kms_key: "alias/vigie" },
    { ...key, wrapped: "", kms_key: fake.key },
    { ...key, wrapped: "A".repeat(10_000), kms_key: fake.key },
    { ...key, wrapped: "c2hvcnQ=", kms_key: fake.key, secret },
    { ...key, active_from: "soon", secret },
    { ...key, id: "a b", secret },
  ];
  const bodies = ["s3cret{", "{}", '{"keys":[]}', "null", '{"keys":[null]}'];
  const files = [...bodies, ...keys.map((each) => JSON.stringify({ keys: [each] }))];
  const paths = files.map((text) => {
    const path = keysPath();
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  });
  for (const path of [keysPath(), ...paths]) {
    await assert.rejects(
      openKeys(config(path)),
      (thrown) =>
        codeIs("VIG_KEYS_FILE_INVALID")(thrown) && !/s3cret|c2hvcnQ|AAAA|AQEB/.test(String(thrown)),
    );
  }
});

test("a rotation takes an id that no key has, whatever a person called the others", () => {
  const path = keysPath();
  createKeysFile(path, T0);
  const [first] = readKeysFile(path);
  assert.ok(first);
  replaceKeys(path, [{ ...first, keyId: "k2" }]);
  rotateKeysFile(path, T0 + DAY_MS);
  assert.deepEqual(
    readKeysFile(path).map(({ keyId }) => keyId),
    ["k2", "k3"],
  );
});

test("SEC-11: with KMS the file holds no secret; KMS is asked once, for the key and its context", async () => {
  const path = keysPath();
  await createWrapped(path, T0, fake.alias);
  const text = readFileSync(path, "utf8");
  assert.doesNotMatch(text, /"secret"/);
  assert.ok(text.includes(fake.key), "the key itself is kept, not the alias");
  const before = fake.requests.length;
  const keys = await openKeys(config(path));
  for (let n = 0; n < 100; n++) keys.decrypt("p", keys.encrypt("p", Buffer.from("x"), ""), "");
  const asked = fake.requests.slice(before);
  const context = { "vigie:purpose": "master-key", "vigie:key": "k1" };
  assert.deepEqual(
    asked.map(({ action, KeyId, EncryptionContext }) => [action, KeyId, EncryptionContext]),
    [["Decrypt", fake.key, context]],
  );
  const made = fake.requests.find(({ action }) => action !== "Decrypt");
  assert.equal(made?.action, "GenerateDataKeyWithoutPlaintext");
});

test("a file may hold both kinds; KMS is not asked for one that holds no wrapped key", async () => {
  const path = keysPath();
  createKeysFile(path, T0);
  const envelope = (await openKeys(config(path))).encrypt("gps", Buffer.from("14.69"), "u-1");
  const asked = fake.requests.length;
  fake.trouble = () => ({ status: 500, type: "KMSInternalException" });
  await openKeys(config(path));
  assert.equal(fake.requests.length, asked);

  fake.trouble = () => null;
  const [first] = readKeysFile(path);
  assert.ok(first && Buffer.isBuffer(first.secret));
  const wrapped = await kms.wrap(fake.key, "k1", first.secret);
  replaceKeys(path, [{ ...first, secret: wrapped }]);
  rotateKeysFile(path, T0 + DAY_MS);
  const later = await openKeys(config(path), () => T0 + 2 * DAY_MS);
  assert.equal(later.decrypt("gps", envelope, "u-1").toString(), "14.69");
  assert.equal(later.hmacKey("t").keyId, "k2");
});

const refusals: readonly [
  what: string,
  (wrapped: WrappedSecret) => WrappedSecret,
  keyId: string,
][] = [
  ["a blob under another master key's id", (wrapped) => wrapped, "k2"],
  ["a blob under another KMS key", ({ blob }) => ({ blob, kmsKey: fake.other }), "k1"],
  [
    "a changed blob",
    ({ kmsKey, blob }) => ({
      kmsKey,
      blob: Buffer.from(blob.map((byte, at) => (at === 90 ? byte ^ 1 : byte))),
    }),
    "k1",
  ],
  [
    "a KMS key that is gone",
    ({ kmsKey, blob }) => ({ kmsKey: `${kmsKey.slice(0, -1)}0`, blob }),
    "k1",
  ],
];

test.each(refusals)("SEC-11: %s does not open, at once and for good", async (_, change, keyId) => {
  const wrapped = await kms.generate(fake.key, "k1");
  const asked = fake.requests.length;
  await assert.rejects(kms.open(change(wrapped), keyId), codeIs("VIG_KMS_REFUSED"));
  assert.equal(fake.requests.length, asked + 1);
});

test("wrong credentials and missing rights are refusals; what KMS says besides the name is not told", async () => {
  const wrapped = await kms.generate(fake.key, "k1");
  fake.trouble = () => ({ status: 400, type: "AccessDeniedException", message: "AKIDVIGIETEST" });
  await assert.rejects(kms.open(wrapped, "k1"), (thrown) => {
    assert.ok(codeIs("VIG_KMS_REFUSED")(thrown));
    const told = `${String(thrown)} ${JSON.stringify(thrown)} ${String((thrown as VigError).cause)}`;
    assert.match(told, /AccessDeniedException/);
    assert.doesNotMatch(told, new RegExp(`AKID|${wrapped.blob.toString("base64").slice(80, 100)}`));
    return true;
  });
  fake.trouble = () => null;
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "another secret");
  const other = impatient();
  await assert.rejects(other.open(wrapped, "k1"), codeIs("VIG_KMS_REFUSED"));
  other.close();
});

test("no redirect of KMS is followed", async () => {
  const wrapped = await kms.generate(fake.key, "k1");
  const asked = fake.requests.length;
  fake.trouble = () => ({ status: 307, type: "TemporaryRedirect" });
  await assert.rejects(kms.open(wrapped, "k1"), codeIs("VIG_KMS_REFUSED"));
  assert.equal(fake.requests.length, asked + 1);
});

test("throttling and faults of KMS are waited out by themselves", async () => {
  const wrapped = await kms.generate(fake.key, "k1");
  for (const type of ["ThrottlingException", "KMSInternalException"]) {
    const status = type === "ThrottlingException" ? 400 : 500;
    let left = 1;
    fake.trouble = () => (left-- > 0 ? { status, type } : null);
    assert.equal((await kms.open(wrapped, "k1")).length, 32);
    fake.trouble = () => ({ status, type });
    await assert.rejects(kms.open(wrapped, "k1"), codeIs("VIG_KMS_AWAY"));
  }
});

test("a KMS that nobody reaches, or that does not answer, is away", async () => {
  const wrapped = await kms.generate(fake.key, "k1");
  const nowhere = impatient("http://127.0.0.1:9");
  await assert.rejects(nowhere.open(wrapped, "k1"), codeIs("VIG_KMS_AWAY"));
  nowhere.close();
  fake.trouble = () => "hang";
  const asked = fake.requests.length;
  await assert.rejects(kms.open(wrapped, "k1"), codeIs("VIG_KMS_AWAY"));
  assert.equal(fake.requests.length, asked + 2);
});

test("a service waits for a KMS that is away, and health says so", async () => {
  const path = keysPath();
  await createWrapped(path, T0);
  const health = createHealth("test");
  // The library tries five times by itself.
  let left = 6;
  const seen: (string | undefined)[] = [];
  fake.trouble = () => {
    seen.push(health.report().parts.keys?.status);
    return left-- > 0 ? { status: 500, type: "KMSInternalException" } : null;
  };
  const keys = await awaitKeys(config(path), { log: silentLogger, health });
  assert.equal(keys.hmacKey("t").keyId, "k1");
  assert.deepEqual(new Set(seen), new Set(["down"]));
  assert.equal(health.report().parts.keys?.status, "up");

  const stopped = new AbortController();
  fake.trouble = () => ({ status: 500, type: "KMSInternalException" });
  stopped.abort();
  const waiting = { log: silentLogger, health, signal: stopped.signal };
  await assert.rejects(awaitKeys(config(path), waiting), (thrown) => thrown instanceof VigError);
});
