import { VigError } from "@vigie/core/errors";
import { partitionOf } from "@vigie/core/keys";
import { physicalName } from "@vigie/schemas/catalogue";
import { openAdmin } from "@vigie/stream/kafka/admin";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { openTransactionalProducer } from "@vigie/stream/kafka/transactional-producer";
import type { OutgoingMessage, TopicMessages } from "@vigie/stream/kafka/types";
import type { OutboxRecord } from "./outbox.ts";
import type { OutboxCarrier } from "./outbox-publisher.ts";

/** One for all publishers of an installation, so that the broker fences whoever was before. */
const TRANSACTIONAL_ID = "vigie.outbox";

/**
 * Carries to Kafka in transactions, so that a publisher that was cut off cannot write an old record behind a newer
 * one: on a compacted topic that would be the one that is kept.
 */
export function kafkaCarrier(client: KafkaClient, prefix: string): OutboxCarrier {
  const producer = openTransactionalProducer(client, {
    transactionalId: prefix + TRANSACTIONAL_ID,
  });
  const partitions = new Map<string, number>();

  async function countOf(topic: string): Promise<number> {
    const known = partitions.get(topic);
    if (known !== undefined) return known;
    const admin = await openAdmin(client);
    try {
      const count = (await admin.partitionCounts([topic])).get(topic);
      if (count === undefined) throw new VigError("VIG_TOPIC_MISSING", { topic });
      partitions.set(topic, count);
      return count;
    } finally {
      await admin.close();
    }
  }

  async function messagesOf(records: readonly OutboxRecord[]): Promise<TopicMessages[]> {
    const byTopic = new Map<string, OutgoingMessage[]>();
    for (const { topic, key, partition, value } of records) {
      const name = physicalName(prefix, topic);
      const count = await countOf(name);
      const messages = byTopic.get(name) ?? [];
      byTopic.set(name, messages);
      messages.push({ key, value, partition: (partition ?? partitionOf(key, count)) % count });
    }
    return [...byTopic].map(([topic, messages]) => ({ topic, messages }));
  }

  return {
    claim: () => producer.init(),
    async carry(records) {
      if (records.length === 0) return;
      const messages = await messagesOf(records);
      await producer.commit({ messages, offsets: [], groupId: TRANSACTIONAL_ID });
    },
    close: () => producer.close(),
  };
}
