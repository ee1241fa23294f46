import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSigner } from "@vigie/audit-sink/signer";
import { openKeys } from "@vigie/service-kit/kms/open-keys";
import { readSigningKey } from "@vigie/service-kit/kms/signing-key";
import { type OperatorDeed, operatorSeries } from "@vigie/service-kit/operator-audit";
import { startFakeKms } from "@vigie/service-kit/testing/fake-kms";
import { afterAll, afterEach, onTestFinished, test, vi } from "vitest";
import { manageKeys as manageWith } from "./keys.ts";
import { checkpointKey } from "./lib/keys.mjs";

const NOW_MS = Date.UTC(2026, 0, 1);

const kms = await startFakeKms();
vi.stubEnv("AWS_ACCESS_KEY_ID", kms.credentials.accessKeyId);
vi.stubEnv("AWS_SECRET_ACCESS_KEY", kms.credentials.secretAccessKey);
afterAll(() => kms.close());
afterAll(() => void vi.unstubAllEnvs());

/** What is on record; the broker takes it while told so. */
let deeds: (OperatorDeed & { readonly seq: number })[] = [];
let takes = true;
const audit = async () =>
  operatorSeries(
    async (_key, { action, payload, emitter_seq: seq }) => {
      if (!takes) throw new Error("the broker is away");
      deeds.push({ action: action as OperatorDeed["action"], payload: JSON.parse(payload), seq });
    },
    { who: "ada@host-1", nowMs: () => NOW_MS },
  );
afterEach(() => {
  deeds = [];
  takes = true;
  kms.trouble = () => null;
});

const manageKeys = (argv: readonly string[], nowMs: number, endpoint: string | null = null) =>
  manageWith(argv, nowMs, endpoint, audit);

const actions = () => deeds.map(({ action }) => action);

function keysFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "vigie-keys-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "keys.json");
}

test("a keys file is created once, rotated ahead of time, and listed without secrets", async () => {
  const file = keysFile();
  assert.equal(
    await manageKeys(["create", file], NOW_MS),
    "k1  current from 2026-01-01T00:00:00.000Z",
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await assert.rejects(manageKeys(["create", file], NOW_MS), /EEXIST/);
  await manageKeys(["rotate", file], NOW_MS);
  await manageKeys(["rotate", file, "2026-02-01T00:00:00Z"], NOW_MS);
  const lines = (await manageKeys(["list", file], NOW_MS))?.split("\n");
  assert.deepEqual(lines, [
    "k1  current from 2026-01-01T00:00:00.000Z",
    "k2  current from 2026-01-02T00:00:00.000Z",
    "k3  current from 2026-02-01T00:00:00.000Z",
  ]);
});

test("SEC-11: with KMS a file is made and rotated without a secret in it", async () => {
  const file = keysFile();
  const manage = (...argv: string[]) => manageKeys(argv, NOW_MS, kms.url);
  await manage("create", file, "--kms", kms.alias);
  const listed = await manage("rotate", file);
  assert.deepEqual(listed?.split("\n"), [
    `k1  current from 2026-01-01T00:00:00.000Z  wrapped under ${kms.key}`,
    `k2  current from 2026-01-02T00:00:00.000Z  wrapped under ${kms.key}`,
  ]);
  assert.match((await manage("rotate", file, "--kms", kms.other)) ?? "", /k3 .* under .*4321$/);
  assert.doesNotMatch(readFileSync(file, "utf8"), /"secret"/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("SEC-11: a file in clear is wrapped as it is, and moved to another KMS key", async () => {
  const file = keysFile();
  const manage = (...argv: string[]) => manageKeys(argv, NOW_MS, kms.url);
  const open = () => openKeys({ VIGIE_KEYS_FILE: file, VIGIE_KMS_ENDPOINT: kms.url });
  await manage("create", file);
  await manage("rotate", file);
  const secret = /"secret": "([^"]+)"/.exec(readFileSync(file, "utf8"))?.[1] ?? "";
  const envelope = (await open()).encrypt("gps", Buffer.from("14.69"), "u-1");
  for (const key of [kms.key, kms.other]) {
    assert.match((await manage("wrap", file, "--kms", key)) ?? "", new RegExp(`k2 .* ${key}$`));
    assert.ok(!readFileSync(file, "utf8").includes(secret));
    assert.equal((await open()).decrypt("gps", envelope, "u-1").toString(), "14.69");
  }
  kms.trouble = () => ({ status: 400, type: "AccessDeniedException" });
  const before = readFileSync(file, "utf8");
  await assert.rejects(manage("wrap", file, "--kms", kms.key), /VIG_KMS_REFUSED/);
  await assert.rejects(manage("rotate", file), /VIG_KMS_REFUSED/);
  assert.equal(readFileSync(file, "utf8"), before);
});

test("a signing key is made once, and its public form is printed then and later", async () => {
  const file = keysFile();
  const vkey = await manageKeys(["signing", file, "id.example.org/audit"], NOW_MS);
  assert.match(vkey ?? "", /^id\.example\.org\/audit\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{42}.$/);
  assert.equal(await manageKeys(["vkey", file], NOW_MS), vkey);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await assert.rejects(manageKeys(["signing", file, "other"], NOW_MS), /EEXIST/);
  assert.equal(await manageKeys(["signing", `${file}.new`], NOW_MS), null);
});

test("AUD-02: a secret for leaves is made once, random, and known by its id", async () => {
  const [file, other] = [keysFile(), keysFile()];
  const keyId = await manageKeys(["secret", file], NOW_MS);
  const secret = readFileSync(file, "utf8").trim();
  assert.match(secret, /^[0-9a-f]{64}$/);
  assert.equal(keyId, createSigner(secret).keyId);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await assert.rejects(manageKeys(["secret", file], NOW_MS), /EEXIST/);
  assert.notEqual(await manageKeys(["secret", other], NOW_MS), keyId);
});

test("AUD-01: a key is on record before it is made or rotated, without its secret, in a series that is closed", async () => {
  const file = keysFile();
  await manageKeys(["create", file], NOW_MS);
  await manageKeys(["rotate", file, "2026-02-01T00:00:00Z"], NOW_MS);
  await manageKeys(["wrap", file, "--kms", kms.key], NOW_MS, kms.url);
  const vkey = await manageKeys(["signing", `${file}.sign`, "vigie-audit"], NOW_MS);
  const closed = "audit.series_closed";
  assert.deepEqual(actions(), [
    ...["keys.created", closed, "keys.rotated", closed],
    ...["keys.wrapped", closed, "keys.created", closed],
  ]);
  assert.deepEqual(deeds[2]?.payload, {
    keys: "master",
    key_id: "k2",
    current_from: Date.UTC(2026, 1, 1),
  });
  assert.deepEqual(deeds[6]?.payload, { keys: "audit.signing", verifier_key: vkey });
});

test("AUD-06: a rotation that cannot be put on record does not happen", async () => {
  const file = keysFile();
  await manageKeys(["create", file], NOW_MS);
  const before = readFileSync(file, "utf8");
  takes = false;
  const refused = { code: "VIG_AUDIT_WRITE_FAILED" };
  await assert.rejects(manageKeys(["rotate", file], NOW_MS), refused);
  await assert.rejects(manageKeys(["wrap", file, "--kms", kms.key], NOW_MS, kms.url), refused);
  await assert.rejects(manageKeys(["create", `${file}.other`], NOW_MS), refused);
  await assert.rejects(manageWith(["rotate", file], NOW_MS), refused);
  assert.equal(readFileSync(file, "utf8"), before);
});

test("without a broker a first key is made and said to be off the record, a rotation only if told so", async () => {
  const said = vi.spyOn(console, "error").mockImplementation(() => {});
  onTestFinished(() => said.mockRestore());
  const file = keysFile();
  await manageWith(["create", file], NOW_MS);
  assert.match((await manageWith(["rotate", file, "--unrecorded"], NOW_MS)) ?? "", /k2/);
  assert.deepEqual(said.mock.calls, [
    ["This is not on record in the audit."],
    ["This is not on record in the audit."],
  ]);
  assert.deepEqual(deeds, []);
});

test("a change that fails after its record is put on record as undone", async () => {
  const file = keysFile();
  await manageKeys(["create", file], NOW_MS);
  deeds = [];
  await assert.rejects(manageKeys(["create", file], NOW_MS), /EEXIST/);
  assert.deepEqual(actions(), ["keys.created", "keys.change_undone", "audit.series_closed"]);
  assert.deepEqual(deeds[1]?.payload, { action: "keys.created" });
});

test("the key that npm start makes for development is one that services read", () => {
  const file = keysFile();
  writeFileSync(file, `${checkpointKey("vigie-audit")}\n`, { mode: 0o600 });
  assert.equal(readSigningKey(file).name, "vigie-audit");
});

test("anything else is answered with the usage, and changes nothing", async () => {
  const file = keysFile();
  await manageKeys(["create", file], NOW_MS);
  const calls = [
    [],
    ["rotate"],
    ["rotate", file, "soon"],
    ["rotate", file, "--kms", "alias/vigie"],
    ["wrap", file],
    ["list", file, "--secrets"],
    ["drop", file],
    ["toString", file],
  ];
  for (const argv of calls) {
    assert.equal(await manageKeys(argv, NOW_MS), null, argv.join(" "));
  }
  assert.equal((await manageKeys(["list", file], NOW_MS))?.split("\n").length, 1);
});
