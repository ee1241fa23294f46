import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { cosign, formatCheckpoint } from "@vigie/audit-log/checkpoint";
import { createSigner, formatVerifierKey, signNote } from "@vigie/audit-log/note";
import { rootAt } from "@vigie/audit-log/proofs";
import { VigError } from "@vigie/core/errors";
import { PROGRESS_EVERY } from "@vigie/service-kit/audit/export";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import type { OperatorDeed } from "@vigie/service-kit/operator-audit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { databaseCosignatures, databasePlace } from "#checkpoint/database-place";
import { commandOf, EXIT_USAGE } from "#commands";
import { itemsOf, storeOver, testLog, upTo } from "../test-store.ts";
import { keys, SECRET, T0 } from "../testing.ts";
import { exportLog } from "./export-log.ts";

const ORIGIN = "audit.example.org";
const VERIFIER = join(import.meta.dirname, "../../../../scripts/audit-verify/main.mjs");
const signer = createSigner({
  name: ORIGIN,
  privateKey: generateKeyPairSync("ed25519").privateKey,
});

const log = testLog();
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "vigie-export-"));
  const { owner } = log;
  for (const table of ["audit_checkpoints", "audit_cosignatures"]) {
    await owner.query(`alter table ${table} disable trigger user`);
    await owner.query(`truncate ${table}`);
    await owner.query(`alter table ${table} enable always trigger no_change`);
    await owner.query(`alter table ${table} enable always trigger no_truncate`);
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const witness = createSigner({
  name: "witness.example.org",
  type: "cosignature",
  privateKey: generateKeyPairSync("ed25519").privateKey,
});

/** Signs the tree as it is now; the witness too. */
async function sign({ isWitnessed = false } = {}): Promise<void> {
  const { rows } = await log.owner.query<{ size: number }>("select size from audit_head");
  const size = BigInt(rows[0]?.size ?? 0);
  const root = await rootAt(size, readNodes(log.service));
  const text = formatCheckpoint({ origin: ORIGIN, size, root });
  const note = signNote(text, [signer]);
  const place = databasePlace(log.service, ORIGIN, () => T0);
  const checkpoint = { size, root, text, note, key: signer.key };
  await place.keep(checkpoint);
  if (!isWitnessed) return;
  const { name, id: keyId } = witness.key;
  const line = cosign(text, witness, BigInt(T0) / 1_000n);
  const book = databaseCosignatures(log.service, ORIGIN);
  await book.add(checkpoint, { name, keyId, line, signedAtMs: T0 });
}

interface Exported {
  readonly body: string;
  readonly deeds: readonly OperatorDeed[];
  readonly progress: readonly number[];
}

async function exported(over: Partial<Parameters<typeof exportLog>[0]> = {}): Promise<Exported> {
  let body = "";
  const deeds: OperatorDeed[] = [];
  const progress: number[] = [];
  const out = new Writable({
    write(piece, _encoding, done) {
      body += piece;
      done();
    },
  });
  const parts = {
    db: log.service,
    origin: ORIGIN,
    keys,
    record: async (deed: OperatorDeed) => void deeds.push(deed),
    onProgress: (read: number) => void progress.push(read),
    ...over,
  };
  await exportLog(parts, () => out);
  return { body, deeds, progress };
}

function verdictOf(body: string, ...more: readonly string[]): { readonly exit: number } {
  const args = [VERIFIER, "-", "--key", formatVerifierKey(signer.key), "--json", ...more];
  const env = { ...process.env, WORM_SIGNING_SECRET: SECRET };
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    input: body,
    encoding: "utf8",
    maxBuffer: 64 * 1_024 * 1_024,
    env,
  });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

test("AUD-08: the whole log as the sink wrote it is intact, to the verifier", async () => {
  const store = storeOver(log.service);
  await store.write({ items: itemsOf(1, 700) }, upTo(701));
  await sign();
  const { body, deeds } = await exported();
  expect(verdictOf(body)).toMatchObject({ exit: 0 });
  expect(body).toContain("41.82.0.17");
  const payload = { filter: {}, boxes: "opened", tree_size: 700 };
  expect(deeds).toEqual([{ action: "audit.exported", payload }]);
});

test("CNF-20: after an erasure it is erased, and proven; sealed, it holds nothing of anybody", async () => {
  const store = storeOver(log.service);
  await store.write({ items: itemsOf(1, 20) }, upTo(21));
  const request = {
    erasure_id: "erasure-1",
    tenant_id: "molam-sn",
    user_id: "u-1",
    requested_at: T0 + 60_000,
    actor: { type: "USER" as const, id: "u-1", impersonator_id: null },
  };
  const origin = { topic: "id.subject.erasure", partition: 0, offset: 0, timestampMs: T0 + 60_000 };
  await store.write({ items: [], erasures: [{ request, origin }] }, upTo(21));
  await sign();
  const { body } = await exported();
  expect(verdictOf(body)).toMatchObject({ exit: 3 });
  expect(body).not.toContain('"u-1"');
  const sealed = await exported({ keys: null });
  expect(sealed.body).not.toContain("admin-1");
  expect(verdictOf(sealed.body)).toMatchObject({ exit: 0 });
});

test("leaves behind the newest checkpoint wait for the next one", async () => {
  const store = storeOver(log.service);
  await store.write({ items: itemsOf(1, 5) }, upTo(6));
  await sign();
  await store.write({ items: itemsOf(6, 5) }, upTo(11));
  const { body } = await exported();
  expect(body.trimEnd().split("\n").at(-1)).toBe('{"end":true,"leaves":5}');
  expect(verdictOf(body)).toMatchObject({ exit: 0 });
});

test("where it is asked for it ends at the newest tree that a witness cosigned", async () => {
  const store = storeOver(log.service);
  await expect(exported({ isWitnessed: true })).rejects.toMatchObject({
    code: "VIG_AUDIT_NOT_SIGNED",
  });
  await store.write({ items: itemsOf(1, 5) }, upTo(6));
  await sign({ isWitnessed: true });
  await store.write({ items: itemsOf(6, 5) }, upTo(11));
  await sign();
  const witnessed = ["--witness", formatVerifierKey(witness.key)];
  const newest = await exported();
  expect(newest.body).toContain('{"end":true,"leaves":10}');
  expect(verdictOf(newest.body, ...witnessed)).toMatchObject({ exit: 2 });
  const { body } = await exported({ isWitnessed: true });
  expect(body).toContain('{"end":true,"leaves":5}');
  expect(verdictOf(body, ...witnessed)).toMatchObject({ exit: 0 });
});

test("it tells how far it is", async () => {
  const store = storeOver(log.service);
  const count = PROGRESS_EVERY + 1;
  await store.write({ items: itemsOf(1, count) }, upTo(count + 1));
  await sign();
  expect((await exported({ keys: null })).progress).toEqual([PROGRESS_EVERY]);
});

test("nothing is written before it is on record, nor where nothing was signed", async () => {
  await expect(exported()).rejects.toMatchObject({ code: "VIG_AUDIT_NOT_SIGNED" });
  await storeOver(log.service).write({ items: itemsOf(1, 1) }, upTo(2));
  await sign();
  const opened = vi.fn(() => new Writable());
  const record = () => Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "away" }));
  const parts = { db: log.service, origin: ORIGIN, keys: null, record, onProgress: () => {} };
  await expect(exportLog(parts, opened)).rejects.toMatchObject({ code: "VIG_AUDIT_WRITE_FAILED" });
  expect(opened).not.toHaveBeenCalled();
});

test("main.ts export writes a file for its owner only, and no file a second time", async () => {
  await storeOver(log.service).write({ items: itemsOf(1, 3) }, upTo(4));
  await sign();
  const file = join(folder, "audit.ndjson");
  vi.stubEnv("DATABASE_URL", log.servers.postgres);
  vi.stubEnv("VIGIE_TOPIC_PREFIX", log.servers.prefix);
  vi.stubEnv("AUDIT_ORIGIN", ORIGIN);
  const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const run = (...args: string[]) => commandOf(["export", ...args])?.();
  try {
    expect(await run("--out", file, "--sealed", "--unrecorded")).toBe(0);
    expect(verdictOf(readFileSync(file, "utf8"))).toMatchObject({ exit: 0 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await run("--out", file, "--sealed", "--unrecorded")).toBe(1);
    expect(await run("--everything")).toBe(EXIT_USAGE);
    expect(await run("somewhere")).toBe(EXIT_USAGE);
  } finally {
    stderr.mockRestore();
    vi.unstubAllEnvs();
  }
});
