import { createMetrics } from "@vigie/service-kit/metrics";
import { expect, test } from "vitest";
import { signCheckpoint } from "./keys.ts";
import { checkpointMeters } from "./meters.ts";
import { logKeys, MemoryTree } from "./testing.ts";

const keys = logKeys();
const sized = async (size: number) =>
  signCheckpoint(keys, await new MemoryTree().grow(size).head());

function meters() {
  const metrics = createMetrics("test", { processMetrics: false });
  let nowMs = 1_000_000;
  const told = checkpointMeters(metrics, () => nowMs);
  return {
    told,
    pass(ms: number) {
      nowMs += ms;
      told.tick();
    },
    async value(name: string): Promise<number> {
      const line = (await metrics.registry.metrics())
        .split("\n")
        .find((l) => l.startsWith(`${name} `));
      return Number(line?.split(" ")[1]);
    },
    nowMs: () => nowMs,
  };
}

test("a write is timed from its oldest record to the first checkpoint that covers it", async () => {
  const { told, pass, value, nowMs } = meters();
  told.appended({ size: 5n, oldestAtMs: nowMs() - 100 });
  told.appended({ size: 9n, oldestAtMs: nowMs() });
  pass(200);
  expect(await value("vigie_audit_unsigned_seconds")).toBe(0.3);
  told.published(await sized(5));
  expect(await value("vigie_audit_checkpoint_seconds_count")).toBe(1);
  expect(await value("vigie_audit_checkpoint_seconds_sum")).toBeCloseTo(0.3);
  expect(await value("vigie_audit_unsigned_seconds")).toBe(0.2);
  told.published(await sized(12));
  expect(await value("vigie_audit_checkpoint_seconds_count")).toBe(2);
  expect(await value("vigie_audit_unsigned_seconds")).toBe(0);
  expect(await value("vigie_audit_checkpoint_size")).toBe(12);
});

test("a checkpoint that is faster than the news of its write is timed as well", async () => {
  const { told, value, nowMs, pass } = meters();
  told.published(await sized(8));
  const oldestAtMs = nowMs() - 50;
  pass(1_000);
  told.appended({ size: 8n, oldestAtMs });
  expect(await value("vigie_audit_checkpoint_seconds_sum")).toBeCloseTo(0.05);
  expect(await value("vigie_audit_checkpoint_age_seconds")).toBe(1);
});

test("writes that are never signed are not kept without end", async () => {
  const { told, value, nowMs } = meters();
  for (let i = 1; i <= 25_000; i += 1) told.appended({ size: BigInt(i), oldestAtMs: nowMs() });
  told.published(await sized(1));
  expect(await value("vigie_audit_checkpoint_seconds_count")).toBe(0);
});
