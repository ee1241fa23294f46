import assert from "node:assert/strict";
import { test } from "vitest";
import type { AnyProcessor } from "../processor.ts";
import { ledgerProcessor } from "../testing/ledger.ts";
import { memoryBackend } from "../testing/memory-backend.ts";
import { MemoryBroker } from "../testing/memory-broker.ts";
import { namesOf } from "./names.ts";
import { resolveTopics } from "./topics.ts";

const names = namesOf("ledger", "p.");
const brokerWith = (counts: Record<string, number>) => {
  const broker = new MemoryBroker();
  for (const [topic, partitions] of Object.entries(counts)) {
    broker.createTopic(`p.${topic}`, partitions);
  }
  return broker;
};
const resolve = (broker: MemoryBroker, create: boolean) =>
  resolveTopics(memoryBackend(broker), ledgerProcessor() as AnyProcessor, names, create);
const WHOLE = { "t.deposits": 6, "t.payments": 6, "t.orders": 6, "t.entries": 4 };

test("internal topics are created with the partitions of the inputs; a missing optional input is absent", async () => {
  const broker = brokerWith(WHOLE);
  const topics = await resolve(broker, true);
  assert.equal(topics.partitions, 6);
  assert.equal(topics.partitionsOf("t.entries"), 4);
  assert.equal(topics.partitionsOf("t.deposits.dlq"), 6);
  assert.deepEqual([...topics.absent], ["t.extras"]);
  assert.equal(broker.partitions("p.vigie.ledger.changelog"), 6);
  assert.equal(broker.partitions("p.t.extras.dlq"), undefined);
  assert.equal(topics.globals.size, 0);
});

test("without leave to create them, missing internal topics are named", async () => {
  await assert.rejects(resolve(brokerWith(WHOLE), false), { code: "VIG_TOPIC_MISSING" });
});

test("a missing input or output is named", async () => {
  const { "t.orders": _orders, ...withoutOrders } = WHOLE;
  await assert.rejects(resolve(brokerWith(withoutOrders), true), {
    code: "VIG_TOPIC_MISSING",
    details: { topic: "p.t.orders" },
  });
  const { "t.entries": _entries, ...withoutEntries } = WHOLE;
  await assert.rejects(resolve(brokerWith(withoutEntries), true), {
    details: { topic: "p.t.entries" },
  });
});

test("a processor's own topics are created first, an input among them", async () => {
  const { "t.orders": _orders, "t.entries": _entries, ...others } = WHOLE;
  const configs = { "cleanup.policy": "compact" };
  const own = ["t.orders", "t.entries"].map((topic) => ({ topic, partitions: 6, configs }));
  const processor = { ...(ledgerProcessor() as AnyProcessor), internals: own };
  const asked = (broker: MemoryBroker, create: boolean) =>
    resolveTopics(memoryBackend(broker), processor, names, create);
  const broker = brokerWith(others);
  await asked(broker, true);
  assert.equal(broker.partitions("p.t.orders"), 6);
  assert.equal(broker.partitions("p.t.entries"), 6);
  await assert.rejects(asked(brokerWith(others), false), { details: { topic: "p.t.orders" } });
});

test("an output may be missing with the optional input that alone leads to it, and only with that", async () => {
  const { "t.entries": _entries, ...others } = WHOLE;
  const ledger = ledgerProcessor() as AnyProcessor;
  const outputs = Object.fromEntries(
    Object.entries(ledger.outputs).map(([name, output]) => [name, { ...output, from: "t.extras" }]),
  );
  const asked = (counts: Record<string, number>) =>
    resolveTopics(memoryBackend(brokerWith(counts)), { ...ledger, outputs }, names, true);
  assert.deepEqual([...(await asked(others)).absent], ["t.extras"]);
  await assert.rejects(asked({ ...others, "t.extras": 6 }), { details: { topic: "p.t.entries" } });
});

test("inputs, or a changelog, of different partition counts are refused", async () => {
  await assert.rejects(resolve(brokerWith({ ...WHOLE, "t.payments": 5 }), true), {
    code: "VIG_PARTITIONS_DIFFER",
  });
  await assert.rejects(resolve(brokerWith({ ...WHOLE, "vigie.ledger.changelog": 3 }), true), {
    code: "VIG_PARTITIONS_DIFFER",
  });
});
