import assert from "node:assert/strict";
import { parseConfig } from "@vigie/service-kit/config";
import { test } from "vitest";
import { edgeConfig } from "./config.ts";
import { admitLimits } from "./wiring.ts";

test("the age of events is that of the configuration", () => {
  const parsed = parseConfig(edgeConfig, {
    KAFKA_BROKERS: "127.0.0.1:9092",
    SCHEMA_REGISTRY_URL: "http://127.0.0.1:8081",
    JWT_SECRET: "a-development-secret",
    MAX_EVENT_AGE_DAYS: "1",
  });
  assert.ok("config" in parsed, JSON.stringify(parsed));
  assert.deepEqual(admitLimits(parsed.config), { maxEventAgeMs: 86_400_000, maxAheadMs: 300_000 });
});
