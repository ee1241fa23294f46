import assert from "node:assert/strict";
import { test } from "vitest";
import { eventOutputSuite, type OpenOutput, outputBehaviours } from "./event-output.suite.ts";
import { memoryOutput } from "./memory-output.ts";

const openMemory: OpenOutput = async ({ bufferBytesMax }) => {
  const output = memoryOutput({ prefix: "t.", partitions: 6, bufferBytesMax });
  return {
    output,
    prefix: "t.",
    partitions: 6,
    read: async () => output.produced,
    silence: async () => output.answer(false),
    wake: async () => output.answer(true),
  };
};

eventOutputSuite("memory", openMemory);

/** Twins that break one promise each; the suite must find each out. */
const broken: Record<string, OpenOutput> = {
  "acknowledges what it does not keep": async (options) => ({
    ...(await openMemory(options)),
    read: async () => [],
  }),
  "counts no offsets": async (options) => {
    const held = await openMemory(options);
    const publish: typeof held.output.publish = async (event) => ({
      ...(await held.output.publish(event)),
      offset: 0,
    });
    return { ...held, output: { publish, close: () => held.output.close() } };
  },
  "knows no time of the broker": async (options) => ({
    ...(await openMemory(options)),
    output: memoryOutput({ ...options, clock: () => -1 }),
  }),
  "has no bound": async () => openMemory({ bufferBytesMax: Number.MAX_SAFE_INTEGER }),
  "takes events after it was closed": async (options) => {
    const held = await openMemory(options);
    return { ...held, output: { publish: held.output.publish, close: async () => {} } };
  },
};

test.each(Object.entries(broken))("an output that %s does not pass", async (_name, open) => {
  const runs = Object.values(outputBehaviours).map((check) => check(open));
  const fates = await Promise.allSettled(runs);
  assert.ok(fates.some(({ status }) => status === "rejected"));
});
