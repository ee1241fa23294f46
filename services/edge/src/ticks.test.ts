import assert from "node:assert/strict";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { memoryOutput } from "@vigie/service-kit/output/memory-output";
import { TICK_TOPIC } from "@vigie/service-kit/sessions/follow-ticks";
import { test } from "vitest";
import { tickJob } from "./ticks.ts";

const NOW_MS = 1_767_607_200_000;

test("one tick goes to every partition, once the schemas are known", async () => {
  const output = memoryOutput({ partitions: 6 });
  let ready = false;
  const job = tickJob({
    output,
    codecs: memoryCodecs(),
    writer: "edge-1",
    clock: () => NOW_MS,
    isReady: () => ready,
  });
  await job.run();
  assert.deepEqual(output.produced, []);
  ready = true;
  await job.run();
  assert.deepEqual(
    output.produced.map(({ topic, partition }) => [topic, partition]),
    [0, 1, 2, 3, 4, 5].map((partition) => [TICK_TOPIC, partition]),
  );
});
