import assert from "node:assert/strict";
import { onTestFinished, test } from "vitest";
import type { TestWorkerData } from "./testing/worker.ts";
import { startWorkers } from "./workers.ts";

const module = new URL("./testing/worker.ts", import.meta.url);

async function started(count: number, data: TestWorkerData = {}) {
  const workers = await startWorkers({ service: "test", module, count, data });
  onTestFinished(() => workers.stop());
  return workers;
}

test.each([0, 1, 3])("with %i threads metrics are summed and health is merged", async (count) => {
  const workers = await started(count);
  const sum = { 0: 1, 1: 1, 3: 6 }[count];
  const text = await workers.metrics();
  assert.match(text, new RegExp(`test_starts_total\\{kind="a"\\} ${sum}\\n`));
  assert.match(text, /process_cpu_seconds_total/);
  assert.equal((await workers.health()).status, "healthy");
});

test("a part that is down in one worker is down", async () => {
  const workers = await started(2, { fault: "failed", faultIndex: 1 });
  const { status, parts } = await workers.health();
  assert.equal(status, "unhealthy");
  assert.equal(parts.kafka?.why, "planted");
});

test.each(["failed", "throw"] as const)("a worker that dies (%s) fails all", async (fault) => {
  // One that dies before the other has started is told of by the start itself.
  const told = await started(2, { fault }).then(
    ({ failed }) => failed,
    (thrown) => thrown,
  );
  assert.ok(told instanceof Error);
});

test("a worker that cannot start stops the others and throws", async () => {
  await assert.rejects(started(2, { fault: "start", faultIndex: 1 }), /cannot start/);
});

test("a worker that does not answer is down, and the main thread goes on", async () => {
  const workers = await started(2, { fault: "busy" });
  const deadline = performance.now() + 10_000;
  let health = await workers.health();
  while (health.parts["worker 0"] === undefined && performance.now() < deadline) {
    health = await workers.health();
  }
  assert.equal(health.parts["worker 0"]?.why, "does not answer");
  assert.match(await workers.metrics(), /process_cpu_seconds_total/);
});

test("stop drains every worker and is no failure", async () => {
  const workers = await started(2);
  await workers.stop();
  const pending = Symbol("pending");
  assert.equal(await Promise.race([workers.failed, Promise.resolve(pending)]), pending);
});
