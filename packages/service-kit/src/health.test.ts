import assert from "node:assert/strict";
import { onTestFinished, test } from "vitest";
import { createHealth, healthAnswer, mergeHealth } from "./health.ts";
import { createMetrics } from "./metrics.ts";
import { startOpsServer } from "./ops-server.ts";

const T0 = Date.UTC(2026, 0, 5, 10);

test("OBS-06: a service whose parts are up is healthy", () => {
  const health = createHealth("edge", () => T0);
  health.set("kafka", true);
  const answer = healthAnswer("/api/health", () => health.report());
  assert.equal(answer?.status, 200);
  assert.deepEqual(answer?.body, {
    status: "healthy",
    service: "edge",
    parts: { kafka: { status: "up", needed: true, since: "2026-01-05T10:00:00.000Z" } },
  });
});

test("OBS-05: health says which part is away, since when and why", () => {
  let nowMs = T0;
  const health = createHealth("edge", () => nowMs);
  health.set("kafka", true);
  nowMs += 60_000;
  health.set("kafka", false, "connection refused");
  nowMs += 60_000;
  health.set("kafka", false, "connection refused");
  const { status, parts } = health.report();
  assert.equal(status, "unhealthy");
  assert.equal(parts.kafka?.since, "2026-01-05T10:01:00.000Z");
  assert.equal(parts.kafka?.why, "connection refused");
  assert.equal(healthAnswer("/healthz", () => health.report())?.status, 503);
  assert.equal(healthAnswer("/livez", () => health.report())?.status, 200);
});

test("a declared part is down until it says something; one not needed only degrades", () => {
  const health = createHealth("edge", () => T0);
  health.declare("kafka");
  health.declare("redis", { needed: false });
  assert.equal(health.report().status, "unhealthy");
  health.set("kafka", true);
  assert.equal(health.report().status, "degraded");
  assert.equal(healthAnswer("/healthz", () => health.report())?.status, 200);
});

test("merged, a part is down when one worker says so", () => {
  const [one, two] = [createHealth("d", () => T0), createHealth("d", () => T0)];
  one.set("kafka", true);
  two.set("kafka", false, "away");
  for (const reports of [
    [one, two],
    [two, one],
  ]) {
    const merged = mergeHealth(
      "d",
      reports.map((each) => each.report()),
    );
    assert.equal(merged.status, "unhealthy");
    assert.equal(merged.parts.kafka?.why, "away");
  }
});

test("OBS-01: the operations server serves metrics and health", async () => {
  const metrics = createMetrics("detector", { processMetrics: false });
  metrics.counter("vigie_test_total", "test", ["kind"]).inc({ kind: "a" }, 3);
  const health = createHealth("detector");
  const server = await startOpsServer({
    port: 0,
    host: "127.0.0.1",
    metrics: () => metrics.registry.metrics(),
    health: () => health.report(),
  });
  onTestFinished(() => server.close());
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
  assert.match(await (await get("/metrics")).text(), /vigie_test_total\{kind="a"\} 3/);
  for (const path of ["/health?x=1", "/api/health", "/healthz", "/livez"]) {
    assert.equal((await get(path)).status, 200, path);
  }
  assert.equal((await get("/etc/passwd")).status, 404);
  assert.equal(
    (await fetch(`http://127.0.0.1:${server.port}/metrics`, { method: "POST" })).status,
    405,
  );
});
