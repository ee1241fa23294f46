import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll } from "vitest";
import { eventOutputSuite } from "./event-output.suite.ts";
import { kafkaOutput } from "./kafka-output.ts";

let servers: ServiceStack;

beforeAll(async () => {
  servers = await serviceStack();
});
afterAll(async () => {
  await servers.close();
});

eventOutputSuite("kafka", async ({ bufferBytesMax }) => {
  const { client, prefix, readAll } = servers;
  const before = (await readAll("id.login")).length;
  const producer = await openBatchingProducer(client, { bufferBytesMax });
  return {
    output: kafkaOutput(producer, prefix),
    prefix,
    partitions: PARTITIONS_DEFAULT,
    async read(topic) {
      const records = await readAll(topic);
      return records.slice(before).map(({ key, value }) => ({
        key: String(key),
        value: value ?? Buffer.alloc(0),
      }));
    },
    // Nothing is acknowledged within one turn of the event loop: silence enough for the suite.
    silence: async () => {},
    wake: async () => {},
  };
});
