import { partitionOf } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { Workload, WorkloadEvent } from "@vigie/testkit/workload/workload";

export const inputTopics = ["id.login", "id.heartbeat", "id.mfa"] as const;

/** One send; larger ones are refused by the topic's message limit a partition. */
const BATCH_EVENTS = 4_000;

export interface Preloaded {
  readonly events: number;
  readonly seconds: number;
  readonly valueBytesAverage: number;
}

/** Writes a workload to the input topics, keyed and partitioned as upstream producers do. */
export async function preload(
  client: KafkaClient,
  workload: Workload,
  where: { readonly prefix: string; readonly registryUrl: string; readonly cacheDir: string },
): Promise<Preloaded> {
  const codecs = await openCodecs({ ...where, log: silentLogger });
  const encoders = Object.fromEntries(
    inputTopics.map((topic) => [topic, codecs.encoder<WorkloadEvent["value"]>(topic)]),
  );
  await codecs.ready();
  const producer = client.kafkajs.producer();
  await producer.connect();
  const startMs = performance.now();
  let events = 0;
  let bytes = 0;
  let batch = new Map<string, { key: string; value: Buffer; partition: number }[]>();
  const flush = async () => {
    const topicMessages = [...batch].map(([topic, messages]) => ({
      topic: where.prefix + topic,
      messages,
    }));
    batch = new Map();
    await producer.sendBatch({ topicMessages, acks: -1 });
  };
  for (const event of workload.events()) {
    const encoder = encoders[event.topic];
    if (encoder === undefined) continue;
    const value = Buffer.from(encoder.encode(event.value));
    const messages = batch.get(event.topic) ?? [];
    messages.push({ key: event.key, value, partition: partitionOf(event.key, PARTITIONS_DEFAULT) });
    batch.set(event.topic, messages);
    bytes += value.length;
    if (++events % BATCH_EVENTS === 0) await flush();
  }
  if (batch.size > 0) await flush();
  await producer.disconnect();
  const seconds = (performance.now() - startMs) / 1_000;
  return { events, seconds, valueBytesAverage: Math.round(bytes / events) };
}
