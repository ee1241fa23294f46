import type { KafkaClient } from "@vigie/stream/kafka/client";
import { type BatchingProducer, openBatchingProducer } from "@vigie/stream/kafka/producer";
import type { StreamObserver } from "@vigie/stream/observer";
import type { ProduceConfig } from "../http-config.ts";
import type { EventOutput } from "./event-output.ts";
import { kafkaOutput } from "./kafka-output.ts";

export interface ServiceOutput {
  readonly output: EventOutput;
  /** To be closed after all that writes. */
  readonly producer: BatchingProducer;
}

/** The output of a service that is called, by its configuration; whether the broker answers is told to its health. */
export async function openServiceOutput(
  client: KafkaClient,
  prefix: string,
  config: ProduceConfig,
  observer: Pick<StreamObserver, "dependency">,
): Promise<ServiceOutput> {
  const producer = await openBatchingProducer(client, {
    lingerMs: config.PRODUCE_LINGER_MS,
    bufferBytesMax: config.PRODUCE_BUFFER_MAX_BYTES,
    deliveryTimeoutMs: config.PRODUCE_TIMEOUT_MS,
    onBroker: (up, why) => observer.dependency({ name: "kafka", up, ...(why && { why }) }),
  });
  observer.dependency({ name: "kafka", up: producer.healthy });
  return { output: kafkaOutput(producer, prefix), producer };
}
