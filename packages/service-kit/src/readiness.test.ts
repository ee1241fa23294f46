import assert from "node:assert/strict";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { test } from "vitest";
import { createHealth } from "./health.ts";
import { readiness } from "./readiness.ts";

test("a service is ready once every schema is known", async () => {
  const registry = Promise.withResolvers<void>();
  const health = createHealth("edge");
  const codecs = { ...memoryCodecs(), ready: () => registry.promise };
  const { isReady, prepare } = readiness(codecs, health);
  const prepared = prepare();
  assert.equal(isReady(), false);
  assert.equal(health.report().status, "unhealthy");
  registry.resolve();
  await Promise.race([prepared, new Promise(setImmediate)]);
  assert.equal(isReady(), true);
  // Then the registry may be away: it is said, and events are taken
  assert.equal(health.report().status, "degraded");
});

test("a contract that nobody registered is a fault that ends the start", async () => {
  const ready = () => Promise.reject(new Error("not registered"));
  const codecs = { ...memoryCodecs(), ready };
  await assert.rejects(readiness(codecs, createHealth("edge")).prepare(), /not registered/);
});
