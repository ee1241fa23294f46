import { assert } from "@vigie/core/assert";
import { silentLogger } from "@vigie/core/log";
import { openCodecs } from "@vigie/schemas/codecs";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { openBatchingProducer, type Published } from "@vigie/stream/kafka/producer";
import type { WorkloadEvent } from "@vigie/testkit/workload/workload";
import { until } from "./processes.ts";

export const inputTopics = ["id.login", "id.heartbeat", "id.mfa"] as const;

/** Waited for together, so that memory stays bounded. */
const IN_FLIGHT_MAX = 4_000;

export interface Preloaded {
  readonly events: number;
  readonly seconds: number;
  readonly valueBytesAverage: number;
}

/** Writes events to the input topics, behind what they hold, keyed and partitioned as upstream producers do. */
export async function preload(
  client: KafkaClient,
  workload: Iterable<WorkloadEvent>,
  where: { readonly prefix: string; readonly registryUrl: string; readonly cacheDir: string },
): Promise<Preloaded> {
  const codecs = await openCodecs({ ...where, log: silentLogger });
  const encoders = Object.fromEntries(
    inputTopics.map((topic) => [topic, codecs.encoder<WorkloadEvent["value"]>(topic)]),
  );
  await codecs.ready();
  await keepEventTimes(client, where.prefix);
  const producer = await openBatchingProducer(client);
  const startMs = performance.now();
  let events = 0;
  let bytes = 0;
  let sent: Promise<Published>[] = [];
  for (const event of workload) {
    const encoder = encoders[event.topic];
    assert(encoder !== undefined, "a workload writes to input topics only");
    const value = Buffer.from(encoder.encode(event.value));
    sent.push(
      producer.publish({
        topic: where.prefix + event.topic,
        key: event.key,
        value,
        timestampMs: event.value.occurred_at,
      }),
    );
    bytes += value.length;
    events += 1;
    if (sent.length < IN_FLIGHT_MAX) continue;
    checkTimes(await Promise.all(sent));
    sent = [];
  }
  checkTimes(await Promise.all(sent));
  await producer.close();
  const seconds = (performance.now() - startMs) / 1_000;
  return { events, seconds, valueBytesAverage: Math.round(bytes / events) };
}

/** A broker that puts in its own times says so; then inputs would be merged in another order than that of the events. */
function checkTimes(published: readonly Published[]): void {
  const areKept = published.every(({ appendedAtMs }) => appendedAtMs === -1);
  assert(areKept, "the broker keeps the times of events");
}

/** Source: kafkajs ConfigResourceTypes. */
const TOPIC = 2;

/** Topics that keep the times of events, and keep them for good. */
const kept = [
  { name: "message.timestamp.type", value: "CreateTime" },
  { name: "retention.ms", value: "-1" },
] as const;

/**
 * Days of events are written within seconds: with the broker's times they would all fall into every window that goes by
 * record time, and none is old enough to be removed.
 * A broker shows a change before its logs go by it, and takes changes one after another: what is changed first is in
 * force once the second change shows. Source: Kafka, BrokerMetadataPublisher.
 */
async function keepEventTimes({ kafkajs }: KafkaClient, prefix: string): Promise<void> {
  const admin = kafkajs.admin();
  await admin.connect();
  const topics = inputTopics.map((topic) => ({ type: TOPIC, name: prefix + topic }));
  for (const [before, last] of kept.entries()) {
    const configEntries = kept.slice(0, before + 1);
    await admin.alterConfigs({
      validateOnly: false,
      resources: topics.map((topic) => ({ ...topic, configEntries })),
    });
    const asked = topics.map((topic) => ({ ...topic, configNames: [last.name] }));
    await until(`${last.name} is ${last.value}`, async () => {
      const told = await admin.describeConfigs({ resources: asked, includeSynonyms: false });
      const values = told.resources.flatMap(({ configEntries: [entry] }) => entry?.configValue);
      return values.every((value) => value === last.value) ? values : null;
    });
  }
  await admin.disconnect();
}
