import { dropReasons } from "@vigie/core/outcome";
import type { StreamObserver, Tally } from "@vigie/stream/observer";
import type { Health } from "./health.ts";
import { type Metrics, streamMetrics } from "./metrics.ts";

type TaskState = Parameters<StreamObserver["task"]>[0]["state"];
const STATES = ["restoring", "running", "failed"] as const;

/**
 * Makes metrics and health of what the tasks of `processor` tell. `part`: the health's name for them, where a service
 * has several processors.
 */
export function streamObserver(
  metrics: Metrics,
  health: Health,
  processor: string,
  part = "tasks",
): StreamObserver {
  const told = streamMetrics(metrics);
  const tasks = new Map<number, TaskState>();
  const tellTasks = (): void => {
    const held = [...tasks.values()];
    for (const state of STATES) {
      told.tasks.set({ processor, state }, held.filter((each) => each === state).length);
    }
    const failed = held.includes("failed");
    const restoring = held.includes("restoring");
    const why = failed ? "a task failed" : restoring ? "restoring its state" : undefined;
    health.set(part, !failed && !restoring, why);
  };
  return {
    committed(event) {
      countTally(told, event.processor, event.tally);
      told.processSeconds.observe({ processor: event.processor }, event.processMs / 1_000);
      told.commitSeconds.observe({ processor: event.processor }, event.commitMs / 1_000);
      for (const [output, count] of Object.entries(event.emitted)) {
        told.emitted.inc({ processor: event.processor, output }, count);
      }
    },
    lag({ topic, partition, records }) {
      told.lag.set({ topic, partition }, records);
    },
    restoring({ partition, done, total }) {
      told.restoreDone.set({ processor, partition }, done);
      told.restoreTotal.set({ processor, partition }, total);
    },
    dependency({ name, up, why }) {
      told.up.set({ name }, up ? 1 : 0);
      health.set(name, up, why);
    },
    assigned({ partitions }) {
      if (partitions > 0) return;
      // No task will ever tell that the broker answers.
      told.up.set({ name: "kafka" }, 1);
      health.set("kafka", true);
      tellTasks();
    },
    task({ partition, state }) {
      if (state === "stopped") tasks.delete(partition);
      else tasks.set(partition, state);
      tellTasks();
    },
  };
}

function countTally(told: ReturnType<typeof streamMetrics>, processor: string, tally: Tally): void {
  let dropped = 0;
  let dead = 0;
  for (const [reason, count] of Object.entries(tally.dropped)) {
    const { intentional } = dropReasons[reason as keyof typeof dropReasons];
    told.dropped.inc({ processor, reason, intentional: String(intentional) }, count);
    dropped += count;
  }
  for (const [code, count] of Object.entries(tally.dlq)) {
    told.deadLetters.inc({ processor, code }, count);
    dead += count;
  }
  const outcomes = { ok: tally.ok, redirect: tally.redirected, drop: dropped, dlq: dead };
  for (const [outcome, count] of Object.entries(outcomes)) {
    if (count > 0) told.records.inc({ processor, outcome }, count);
  }
}
