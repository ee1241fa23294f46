import { VigError } from "@vigie/core/errors";
import { partitionOf } from "@vigie/core/keys";
import { physicalName, topicNames } from "@vigie/schemas/catalogue";
import { openAdmin } from "@vigie/stream/kafka/admin";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { openTransactionalProducer } from "@vigie/stream/kafka/transactional-producer";
import type { OutgoingMessage, TopicMessages } from "@vigie/stream/kafka/types";
import type { OutboxRecord } from "./outbox.ts";
import type { OutboxCarrier } from "./outbox-publisher.ts";

/**
 * Carries to Kafka in transactions, so that a publisher that was cut off cannot write an old record behind a newer
 * one: on a compacted topic that would be the one that is kept. `name`: of all publishers that carry the same records.
 */
export function kafkaCarrier(client: KafkaClient, prefix: string, name: string): OutboxCarrier {
  const producer = openTransactionalProducer(client, { transactionalId: prefix + name });
  let partitions: ReadonlyMap<string, number> = new Map();

  /** Asked for all topics at once, so that the first change waits for nothing. */
  async function learnPartitions(): Promise<void> {
    const admin = await openAdmin(client);
    try {
      partitions = await admin.partitionCounts(
        topicNames.map((name) => physicalName(prefix, name)),
      );
    } finally {
      await admin.close();
    }
  }

  function messagesOf(records: readonly OutboxRecord[]): TopicMessages[] {
    const byTopic = new Map<string, OutgoingMessage[]>();
    for (const { topic, key, partition, value } of records) {
      const name = physicalName(prefix, topic);
      const count = partitions.get(name);
      if (count === undefined) throw new VigError("VIG_TOPIC_MISSING", { topic: name });
      const messages = byTopic.get(name) ?? [];
      byTopic.set(name, messages);
      messages.push({ key, value, partition: (partition ?? partitionOf(key, count)) % count });
    }
    return [...byTopic].map(([topic, messages]) => ({ topic, messages }));
  }

  return {
    async claim() {
      await Promise.all([producer.init(), learnPartitions()]);
    },
    async carry(records) {
      if (records.length === 0) return;
      await producer.commit({
        messages: messagesOf(records),
        offsets: [],
        groupId: name,
      });
    },
    close: () => producer.close(),
  };
}
