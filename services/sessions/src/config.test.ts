import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "@vigie/service-kit/config";
import { createKeysFile } from "@vigie/service-kit/kms/keys-file";
import { onTestFinished, test } from "vitest";
import { sessionsConfig } from "./config.ts";

test("what must be set is asked for at once, the rest has its default", () => {
  const faults = parseConfig(sessionsConfig, {});
  assert.ok("faults" in faults);
  for (const name of ["KAFKA_BROKERS", "SCHEMA_REGISTRY_URL", "VIGIE_KEYS_FILE"]) {
    assert.ok(
      faults.faults.some((fault) => fault.startsWith(name)),
      name,
    );
  }
  const folder = mkdtempSync(join(tmpdir(), "vigie-keys-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  createKeysFile(join(folder, "keys.json"), 0);
  const parsed = parseConfig(sessionsConfig, {
    KAFKA_BROKERS: "127.0.0.1:9092",
    SCHEMA_REGISTRY_URL: "http://127.0.0.1:8081/apis/ccompat/v7",
    VIGIE_KEYS_FILE: join(folder, "keys.json"),
  });
  assert.ok("config" in parsed, JSON.stringify(parsed));
  assert.equal(parsed.config.METRICS_PORT, 9102);
  assert.equal(parsed.config.PROCESSING_ERROR, "stop");
});
