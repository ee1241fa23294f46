import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createSigner, type NoteSigner } from "@vigie/audit-log/note";
import { afterAll, expect, test } from "vitest";
import { importsOf } from "../import-scanner.ts";
import { without } from "./testing/lines.ts";
import { exports, key, witness } from "./testing/logs.ts";
import { ORIGIN, SECRET, signerOf, vkeyOf } from "./testing/memory-log.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const sources = readdirSync(HERE).filter((name) => name.endsWith(".mjs"));

/** The folder as an auditor has it: copied somewhere, with nothing else beside it. */
const folder = mkdtempSync(join(tmpdir(), "vigie-auditor-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of sources) cpSync(join(HERE, name), join(folder, name));
writeFileSync(join(folder, "sealed"), exports.sealed.join(""));
writeFileSync(join(folder, "whole"), exports.whole.join(""));
writeFileSync(join(folder, "tampered"), without(exports.sealed, 310).join(""));

function run(args: readonly string[], more: { input?: string; env?: Record<string, string> } = {}) {
  const env = { PATH: process.env.PATH ?? "", ...more.env };
  const input = more.input ?? "";
  const main = join(folder, "main.mjs");
  const done = spawnSync(process.execPath, [main, ...args], { cwd: folder, env, input });
  return { code: done.status, out: done.stdout.toString(), err: done.stderr.toString() };
}
const KEY = ["--key", vkeyOf(key)];
/** The verifier key of a witness by this name that signs with the other's key. */
const ownWitness = (name: string, { privateKey }: NoteSigner): string =>
  vkeyOf(createSigner({ name, type: "cosignature", privateKey }));

test("it imports nothing but Node itself and the files beside it", () => {
  assert.ok(sources.includes("main.mjs"));
  for (const name of sources) {
    const imported = importsOf(readFileSync(join(HERE, name), "utf8"));
    const other = imported.filter(
      (one) => !one.startsWith("node:") && !sources.includes(one.replace(/^\.\//, "")),
    );
    assert.deepEqual(other, [], name);
  }
  assert.deepEqual(
    importsOf('import pg from "pg";'),
    ["pg"],
    "the scanner sees what would be refused",
  );
});

test.each([
  [0, ["sealed", ...KEY], /^INTACT/],
  [1, ["tampered", ...KEY], /^TAMPERED.*\nFirst bad leaf: 310\. leaf 310 is missing\./],
  [3, ["whole", ...KEY], /^ERASED, PROVEN/],
  [4, ["nowhere", ...KEY], /^UNREADABLE/],
  [0, ["--help"], /^node main.mjs EXPORT/],
])("it ends with %d and says why", (code, args, says) => {
  const done = run(args as string[]);
  assert.deepEqual([done.code, done.err], [code, ""]);
  assert.match(done.out, says as RegExp);
});

test("it reads standard input, and what breaks off there is incomplete", () => {
  const text = exports.sealed.join("");
  assert.equal(run(["-", ...KEY], { input: text }).code, 0);
  const broken = run(["-", ...KEY], { input: text.slice(0, -30) });
  assert.equal(broken.code, 2);
  assert.match(broken.out, /^INCOMPLETE/);
});

test.each([
  ["no export", KEY],
  ["two exports", ["sealed", "whole", ...KEY]],
  ["no key", ["sealed"]],
  ["a key that is none", ["sealed", "--key", "none"]],
  ["a key whose id does not fit", ["sealed", "--key", vkeyOf(key).replace(ORIGIN, "other")]],
  ["a witness's key for the log's", ["sealed", "--key", vkeyOf(signerOf(ORIGIN, "cosignature"))]],
  ["a witness with the log's own key", ["sealed", ...KEY, "--witness", ownWitness("w", key)]],
  [
    "one witness under two names",
    ["sealed", ...KEY, ...["w", "x"].flatMap((name) => ["--witness", ownWitness(name, witness)])],
  ],
  ["an unknown option", ["sealed", ...KEY, "--trust-me"]],
])("%s is a mistake in the call: 64", (_, args) => {
  const done = run(args);
  assert.deepEqual([done.code, done.out], [64, ""]);
  assert.match(done.err, /node main.mjs EXPORT/);
});

test("--json says the same for programs", () => {
  const { verdict, exit, first, counts } = JSON.parse(run(["tampered", ...KEY, "--json"]).out);
  expect({ verdict, exit }).toEqual({ verdict: "tampered", exit: 1 });
  expect(first).toEqual({ kind: "tampered", index: 310, why: "leaf 310 is missing" });
  expect(counts.tampered).toBeGreaterThan(0);
  const intact = JSON.parse(run(["sealed", ...KEY, "--json"]).out);
  expect(intact).toMatchObject({ verdict: "intact", origin: ORIGIN, size: 600, leaves: 600 });
});

test("AUD-02: record signatures are verified with the secrets of the environment", () => {
  const env = { WORM_SIGNING_SECRET: "a newer one", WORM_SIGNING_SECRETS_RETIRED: SECRET };
  assert.match(run(["sealed", ...KEY], { env }).out, /600 record signatures verified/);
  assert.equal(run(["sealed", ...KEY], { env: { WORM_SIGNING_SECRET: "another" } }).code, 2);
});
