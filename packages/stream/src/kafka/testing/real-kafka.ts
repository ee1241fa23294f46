import { silentLogger } from "@vigie/core/log";
import { stack } from "@vigie/testkit/stack";
import { type KafkaAdmin, openAdmin } from "../admin.ts";
import { type KafkaClient, openKafka } from "../client.ts";
import { openLoneReader } from "../lone-reader.ts";
import type { FetchedRecord } from "../types.ts";

/** A real broker for one test file; topics have the file's own prefix. */
export interface RealKafka {
  readonly client: KafkaClient;
  readonly admin: KafkaAdmin;
  readonly brokers: readonly string[];
  /** A fresh physical topic. */
  topic(partitions: number, configs?: Readonly<Record<string, string>>): Promise<string>;
  /** A fresh name for groups and transactional ids. */
  name(): string;
  /** All committed records of a partition. */
  read(topic: string, partition?: number): Promise<FetchedRecord[]>;
  close(): Promise<void>;
}

export async function realKafka(): Promise<RealKafka> {
  const servers = await stack();
  const brokers = [servers.kafka];
  const requestTimeoutMs = 3_000;
  const client = openKafka({ brokers, clientId: "test", log: silentLogger, requestTimeoutMs });
  const admin = await openAdmin(client);
  const reader = await openLoneReader(client);
  const topics: string[] = [];
  let count = 0;
  const name = () => {
    count += 1;
    return `${servers.prefix}${count}`;
  };
  return {
    client,
    admin,
    brokers,
    name,
    async topic(partitions, configs = {}) {
      const topic = name();
      await admin.createTopics([{ topic, partitions, configs }]);
      topics.push(topic);
      return topic;
    },
    async read(topic, partition = 0) {
      const records: FetchedRecord[] = [];
      await reader.read({ topic, partition, from: "earliest", to: "end" }, (more) => {
        records.push(...more);
      });
      return records;
    },
    async close() {
      await admin.deleteTopics(topics);
      await Promise.all([reader.close(), admin.close()]);
      await servers.close();
    },
  };
}

export const texts = (records: readonly FetchedRecord[]): string[] =>
  records.map(({ value }) => (value === null ? "null" : value.toString("utf8")));
