import { silentLogger } from "@vigie/core/log";
import { topicDefinitions } from "@vigie/schemas/catalogue";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";

export interface ReadRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads topics from beginning to end, committed records only. */
export interface TopicReader {
  /** Topic without prefix. */
  all(topic: string): Promise<readonly ReadRecord[]>;
  /** How many records a group has committed over these topics, which hold no control records. */
  committed(group: string, topics: readonly string[]): Promise<number>;
  /** Deletes all topics of this prefix. */
  deleteAll(): Promise<void>;
  close(): Promise<void>;
}

export async function openTopicReader(options: {
  readonly kafka: string;
  readonly prefix: string;
}): Promise<TopicReader> {
  const { kafka, prefix } = options;
  const client = openKafka({ brokers: [kafka], clientId: "test-reader", log: silentLogger });
  const reader = await openLoneReader(client);
  const admin = await openAdmin(client);
  return {
    async all(topic) {
      const physical = prefix + topic;
      const ends = await reader.endOffsets(physical);
      const found: ReadRecord[] = [];
      for (const partition of ends.keys()) {
        await reader.read(
          { topic: physical, partition, from: "earliest", to: "end" },
          (records) => {
            for (const { offset, key, value, headers } of records) {
              found.push({ topic, partition, offset, key, value, headers: textOf(headers) });
            }
          },
        );
      }
      return found;
    },
    async committed(group, topics) {
      const counts = await admin.partitionCounts(topics.map((topic) => prefix + topic));
      const partitions = [...counts].flatMap(([topic, partitionCount]) =>
        Array.from({ length: partitionCount }, (_, partition) => ({ topic, partition })),
      );
      const committed = await admin.committed(prefix + group, partitions);
      return committed.reduce((sum, { offset }) => sum + (offset ?? 0), 0);
    },
    async deleteAll() {
      const names = topicDefinitions({ prefix, replicationFactor: 1 }).map(({ topic }) => topic);
      await admin.deleteTopics([...(await admin.partitionCounts(names)).keys()]);
    },
    async close() {
      await Promise.all([reader.close(), admin.close()]);
    },
  };
}

type Headers = readonly { readonly name: string; readonly value: Buffer }[];

const textOf = (headers: unknown): Record<string, string> =>
  Object.fromEntries(
    Array.isArray(headers)
      ? (headers as Headers).map(({ name, value }) => [name, value.toString()])
      : Object.entries((headers ?? {}) as object).map(([name, value]) => [name, String(value)]),
  );
