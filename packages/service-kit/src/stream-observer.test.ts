import assert from "node:assert/strict";
import { test } from "vitest";
import { createHealth } from "./health.ts";
import { anomalyMetrics, createMetrics, sessionMetrics } from "./metrics.ts";
import { streamObserver } from "./stream-observer.ts";

function observed() {
  const metrics = createMetrics("sessions", { processMetrics: false });
  const health = createHealth("sessions");
  return { metrics, health, observer: streamObserver(metrics, health, "sessions") };
}

test("OBS-02, OBS-03: the metrics have the names of the requirements", async () => {
  const metrics = createMetrics("edge", { processMetrics: false });
  sessionMetrics(metrics).revoked.inc({ cause: "user" });
  anomalyMetrics(metrics).detected.inc({ kind: "impossible_travel" });
  const text = await metrics.registry.metrics();
  for (const line of [
    "id_sessions_active 0",
    "id_sessions_heartbeat_rate 0",
    'id_sessions_revoked_total{cause="user"} 1',
    'id_anomalies_detected_total{kind="impossible_travel"} 1',
  ]) {
    assert.ok(text.includes(`\n${line}\n`), line);
  }
});

test("every record is counted once, by outcome, reason and code", async () => {
  const { metrics, observer } = observed();
  observer.committed({
    processor: "sessions",
    partition: 0,
    tally: {
      consumed: 10,
      ok: 5,
      redirected: 1,
      dropped: { duplicate: 2, misrouted: 1 },
      dlq: { VIG_RECORD_NULL: 1 },
    },
    processMs: 3,
    commitMs: 12,
    emitted: { anomaly: 4 },
  });
  const text = await metrics.registry.metrics();
  for (const line of [
    'vigie_records_total{processor="sessions",outcome="ok"} 5',
    'vigie_records_total{processor="sessions",outcome="redirect"} 1',
    'vigie_records_total{processor="sessions",outcome="drop"} 3',
    'vigie_records_total{processor="sessions",outcome="dlq"} 1',
    'vigie_records_dropped_total{processor="sessions",reason="duplicate",intentional="true"} 2',
    'vigie_records_dropped_total{processor="sessions",reason="misrouted",intentional="false"} 1',
    'vigie_dead_letters_total{processor="sessions",code="VIG_RECORD_NULL"} 1',
    'vigie_records_emitted_total{processor="sessions",output="anomaly"} 4',
    'vigie_commit_seconds_bucket{le="0.025",processor="sessions"} 1',
  ]) {
    assert.ok(text.includes(`\n${line}\n`), `${line} in ${text}`);
  }
});

test("a task that restores is not ready, one that failed is not healthy", () => {
  const { health, observer } = observed();
  observer.dependency({ name: "kafka", up: true });
  observer.task({ partition: 0, state: "restoring" });
  assert.equal(health.report().parts.tasks?.why, "restoring its state");
  observer.task({ partition: 0, state: "running" });
  assert.equal(health.report().status, "healthy");
  observer.task({ partition: 1, state: "failed" });
  assert.equal(health.report().status, "unhealthy");
  observer.task({ partition: 1, state: "stopped" });
  assert.equal(health.report().status, "healthy");
  observer.dependency({ name: "kafka", up: false, why: "refused" });
  assert.equal(health.report().parts.kafka?.status, "down");
});

test("a member to which the group gives no partition is ready", () => {
  const { health, observer } = observed();
  for (const part of ["kafka", "tasks"]) health.declare(part);
  observer.assigned?.({ partitions: 2 });
  assert.equal(health.report().status, "unhealthy");
  observer.assigned?.({ partitions: 0 });
  assert.equal(health.report().status, "healthy");
});

test("two processors of one service tell the same metrics, and are two parts of its health", async () => {
  const metrics = createMetrics("detector", { processMetrics: false });
  const health = createHealth("detector");
  const one = streamObserver(metrics, health, "detector");
  const other = streamObserver(metrics, health, "detector-spray", "spray_tasks");
  one.task({ partition: 0, state: "running" });
  other.task({ partition: 0, state: "failed" });
  const { parts } = health.report();
  assert.deepEqual([parts.tasks?.status, parts.spray_tasks?.status], ["up", "down"]);
  const text = await metrics.registry.metrics();
  for (const line of [
    'vigie_tasks{processor="detector",state="running"} 1',
    'vigie_tasks{processor="detector-spray",state="failed"} 1',
  ]) {
    assert.ok(text.includes(`\n${line}\n`), line);
  }
});
