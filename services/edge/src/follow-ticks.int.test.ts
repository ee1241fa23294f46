import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { HOUR_MS } from "@vigie/core/time";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { kafkaOutput } from "@vigie/service-kit/output/kafka-output";
import { followTicks } from "@vigie/service-kit/sessions/follow-ticks";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import { eventually } from "@vigie/testkit/eventually";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll, test } from "vitest";
import { tickJob } from "./ticks.ts";

let servers: ServiceStack;
beforeAll(async () => {
  servers = await serviceStack();
});
afterAll(() => servers.close());

const PARTITIONS = [0, 1, 2, 3, 4, 5];

test("whoever follows the ticks knows an outage that is under way, and none while edges tick", async () => {
  const { client, prefix } = servers;
  let aheadMs = 0;
  const clock = () => Date.now() + aheadMs;
  const producer = await openBatchingProducer(client, {
    lingerMs: 1,
    bufferBytesMax: 1_048_576,
    deliveryTimeoutMs: 10_000,
  });
  const output = kafkaOutput(producer, prefix);
  const about = { codecs: memoryCodecs(), writer: "edge-1", clock, isReady: () => true };
  const job = tickJob({ output, ...about });
  await job.run();
  const followed = followTicks({ client, prefix, clock, log: silentLogger });
  try {
    aheadMs = HOUR_MS;
    await eventually(() => {
      for (const partition of PARTITIONS) {
        const [outage, ...more] = followed.outagesOf(partition);
        assert.ok(outage !== undefined && outage.untilMs - outage.fromMs > 0.9 * HOUR_MS);
        assert.deepEqual(more, []);
      }
    });
    aheadMs = 0;
    await job.run();
    for (const partition of PARTITIONS) assert.deepEqual(followed.outagesOf(partition), []);
  } finally {
    await followed.stop();
    await producer.close();
  }
});
