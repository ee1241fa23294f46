import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { CuttingNet } from "./testing/cutting-net.ts";
import { type RealKafka, realKafka } from "./testing/real-kafka.ts";

const net = new CuttingNet();
let kafka: RealKafka;
const made: string[] = [];
beforeAll(async () => {
  net.install();
  kafka = await realKafka();
});
afterAll(async () => {
  await kafka.admin.deleteTopics(made);
  await kafka.close();
  net.uninstall();
});

/** Source: Kafka protocol. */
const API = { metadata: 3, createTopics: 19 } as const;

for (const [step, apiKey] of Object.entries(API)) {
  for (const when of ["before", "after"] as const) {
    test(`the connection lost ${when} ${step} reaches the broker: topics are created, led and named`, async () => {
      const names = [kafka.name(), kafka.name()];
      const specs = names.map((topic) => ({ topic, partitions: 2 }));
      const cutsBefore = net.cuts;
      net.cutNext({ apiKey, when });
      assert.deepEqual(await kafka.admin.createTopics(specs), names);
      assert.equal(net.cuts, cutsBefore + 1);
      for (const topic of names) assert.deepEqual(await kafka.admin.endOffsets(topic), [0, 0]);
      assert.deepEqual(await kafka.admin.createTopics(specs), []);
      made.push(...names);
    });
  }
}

test("a topic that the broker refuses is told of, and not waited for", async () => {
  const spec = { topic: kafka.name(), partitions: 1, configs: { "cleanup.policy": "none" } };
  await assert.rejects(kafka.admin.createTopics([spec]), /VIG_/);
});
