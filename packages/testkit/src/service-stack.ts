import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { topicDefinitions } from "@vigie/schemas/catalogue";
import { provisionTopics, registerSchemas } from "@vigie/schemas/provision";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { type KafkaClient, openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import type { FetchedRecord } from "@vigie/stream/kafka/types";
import { eventually } from "./eventually.ts";
import { stack, type TestStack } from "./stack.ts";

const ROOT = join(import.meta.dirname, "../../..");

/** Real servers for a test of a service, with its topics, schemas and tables. */
export interface ServiceStack extends TestStack {
  readonly client: KafkaClient;
  /** Of its schema; sees and may do everything. */
  readonly owner: Database;
  /** All records of a topic, partition by partition. `topic`: name in the catalogue. */
  readAll(topic: string): Promise<FetchedRecord[]>;
}

export async function serviceStack(): Promise<ServiceStack> {
  const servers = await stack();
  const { kafka, registry, prefix, postgres: url, schema } = servers;
  const client = openKafka({ brokers: [kafka], clientId: "service-test", log: silentLogger });
  await withAdmin(client, (admin) => provisionTopics(admin, { prefix, replicationFactor: 1 }));
  await registerSchemas({ registryUrl: registry, prefix });
  await migrate({ url, schema, folders: migrationFolders(ROOT), log: silentLogger });
  const owner = openDatabase({
    url,
    schema,
    applicationName: "service-test",
    statementTimeoutMs: 15_000,
    poolMax: 1,
    log: silentLogger,
  });
  // A broker that is busy takes a moment to lead the partitions of a new topic.
  const led = () =>
    Promise.all(["id.login", "id.heartbeat"].map((name) => readAll(client, prefix + name)));
  await eventually(led);
  return {
    ...servers,
    client,
    owner,
    readAll: (topic) => readAll(client, prefix + topic),
    async close() {
      const names = topicDefinitions({ prefix, replicationFactor: 1 }).map(({ topic }) => topic);
      await withAdmin(client, (admin) => admin.deleteTopics(names));
      await owner.query(`drop schema "${schema}" cascade`);
      await owner.close();
      await servers.close();
    },
  };
}

async function withAdmin(
  client: KafkaClient,
  work: (admin: KafkaAdmin) => Promise<unknown>,
): Promise<void> {
  const admin = await openAdmin(client);
  try {
    await work(admin);
  } finally {
    await admin.close();
  }
}

async function readAll(client: KafkaClient, topic: string): Promise<FetchedRecord[]> {
  const reader = await openLoneReader(client);
  const found: FetchedRecord[] = [];
  try {
    const ends = await reader.endOffsets(topic);
    for (const partition of ends.keys()) {
      const range = { topic, partition, from: "earliest", to: "end" } as const;
      await reader.read(range, (records) => {
        found.push(...records);
      });
    }
  } finally {
    await reader.close();
  }
  return found;
}
