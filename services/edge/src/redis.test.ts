import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { parseConfig } from "@vigie/service-kit/config";
import { createHealth } from "@vigie/service-kit/health";
import { eventually } from "@vigie/testkit/eventually";
import { onTestFinished, test } from "vitest";
import { edgeConfig } from "./config.ts";
import { openEdgeRedis } from "./redis.ts";

const AWAY = "redis://127.0.0.1:1";

function opened(env: Record<string, string>) {
  const parsed = parseConfig(edgeConfig, {
    KAFKA_BROKERS: "127.0.0.1:1",
    SCHEMA_REGISTRY_URL: "http://127.0.0.1:1",
    JWT_SECRET: "a-development-secret",
    NODE_ENV: "development",
    ...env,
  });
  assert.ok("config" in parsed, JSON.stringify(parsed));
  const health = createHealth("edge");
  const { config } = parsed;
  const edge = openEdgeRedis({ config, clock: Date.now, log: silentLogger, health });
  onTestFinished(async () => {
    for (const part of edge.closables) await ("stop" in part ? part.stop() : part.close());
  });
  return { ...edge, health };
}

test("OBS-05: with Redis away health names it, and the edge goes on", async () => {
  const { redis, health } = opened({ REDIS_URL: AWAY });
  assert.ok(redis !== null);
  await eventually(() => assert.notEqual(health.report().parts.redis?.why, "not heard of yet"));
  const { status, parts } = health.report();
  assert.deepEqual([status, parts.redis?.status], ["degraded", "down"]);
});

test.each([{}, { REDIS_URL: AWAY, NODE_ENV: "test" }])("nothing is opened with %j", (env) => {
  const { redis, closables, health } = opened(env);
  assert.deepEqual([redis, closables], [null, []]);
  assert.equal(health.report().status, "healthy");
});
