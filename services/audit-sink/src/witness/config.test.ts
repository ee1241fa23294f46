import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatVerifierKey } from "@vigie/audit-log/note";
import { parseConfig } from "@vigie/service-kit/config";
import { createSigningKey } from "@vigie/service-kit/kms/signing-key";
import { afterAll, expect, test } from "vitest";
import { keyNamed } from "../checkpoint/testing.ts";
import { witnessConfig } from "./config.ts";
import { openWitnessKeys } from "./keys.ts";

const folder = mkdtempSync(join(tmpdir(), "vigie-witness-"));
afterAll(() => rmSync(folder, { recursive: true }));
const ofWitness = join(folder, "witness.key");
const ofLog = join(folder, "log.key");
const witness = createSigningKey(ofWitness, "witness.example/w1", "cosignature");
const log = createSigningKey(ofLog, "log.example/audit");

const faultsOf = (env: Record<string, string>): readonly string[] => {
  const parsed = parseConfig(witnessConfig, { WITNESS_KEY_FILE: ofWitness, ...env });
  return "faults" in parsed ? parsed.faults : [];
};

test("a witness is configured by its key and those of the logs", () => {
  const second = keyNamed("log.example/audit");
  const other = keyNamed("log.example/other");
  const keys = [log.verifierKey, ...[second, other].map(({ key }) => formatVerifierKey(key))];
  expect(faultsOf({ WITNESS_LOGS: keys.join(", ") })).toEqual([]);
  const { logs, signer } = openWitnessKeys(ofWitness, keys);
  expect(formatVerifierKey(signer.key)).toBe(witness.verifierKey);
  // A log whose key was replaced has two.
  const counts = [...logs].map(([origin, trusted]) => [origin, trusted.length]);
  expect(counts).toEqual([
    ["log.example/audit", 2],
    ["log.example/other", 1],
  ]);
});

const reused = (): string => {
  const { privateKey } = openWitnessKeys(ofWitness, [log.verifierKey]).signer;
  return formatVerifierKey(keyNamed("log.example/audit", privateKey).key);
};

test.each([
  ["no log", { WITNESS_LOGS: "" }, "WITNESS_LOGS is missing"],
  ["nonsense for a log", { WITNESS_LOGS: "nonsense" }, "expected name+hash+base64"],
  ["a key cut off", { WITNESS_LOGS: log.verifierKey.slice(0, -4) }, "VIG_AUDIT_NOTE_INVALID"],
  ["a witness for a log", { WITNESS_LOGS: witness.verifierKey }, "is no key of a log"],
  ["our own key for the log's", { WITNESS_LOGS: reused() }, "has our own key"],
  [
    "a log's key for ours",
    { WITNESS_LOGS: log.verifierKey, WITNESS_KEY_FILE: ofLog },
    "is no key of a witness",
  ],
])("%s is refused", (_, env, fault) => {
  expect(faultsOf(env).join("\n")).toContain(fault);
});
