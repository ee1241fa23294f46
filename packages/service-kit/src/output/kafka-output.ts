import { physicalName } from "@vigie/schemas/catalogue";
import type { BatchingProducer } from "@vigie/stream/kafka/producer";
import type { EventOutput } from "./event-output.ts";

/** The output to the broker; `prefix` stands before the names of the catalogue. */
export function kafkaOutput(producer: BatchingProducer, prefix: string): EventOutput {
  return {
    publish({ topic, key, value }) {
      const name = physicalName(prefix, topic);
      const published = producer.publish({ topic: name, key, value });
      return published.then((place) => ({ topic: name, ...place }));
    },
    close: () => producer.close(),
  };
}
