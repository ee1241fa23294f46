import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { partitionOf, userKey } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import type { TopicName } from "@vigie/schemas/catalogue";
import { PARTITIONS_DEFAULT, topicDefinitions } from "@vigie/schemas/catalogue";
import { type Codecs, openCodecs } from "@vigie/schemas/codecs";
import { registerSchemas } from "@vigie/schemas/provision";
import { type Database, openDatabase, schemaOf } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { retryWhileAway } from "@vigie/service-kit/retry";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { type BatchingProducer, openBatchingProducer } from "@vigie/stream/kafka/producer";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { sinkTopics } from "./decode.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

/** Real servers with the sink's topics, schemas and tables. */
export interface SinkStack extends TestStack {
  readonly database: Database;
  readonly stateDir: string;
  /** Resolves once the broker has it. The partition is that of tenant and user. */
  publish<V extends Keyed>(topic: TopicName, value: V): Promise<unknown>;
  publishBytes(topic: TopicName, key: string, value: Buffer): Promise<unknown>;
  count(table: string): Promise<number>;
  /** Dead letters of a topic; one may come twice when the sink died between it and its offsets. */
  deadLetters(topic: TopicName): Promise<number>;
}

interface Keyed {
  readonly tenant_id: string;
  /** Without one the key is the tenant's: good enough where no key is judged. */
  readonly user_id?: string;
  readonly session_id?: string | null;
}

export async function sinkStack(): Promise<SinkStack> {
  const servers = await stack();
  const { kafka, prefix } = servers;
  const schema = schemaOf(prefix);
  const stateDir = mkdtempSync(join(tmpdir(), "vigie-sink-"));
  const client = openKafka({ brokers: [kafka], clientId: "sink-test", log: silentLogger });
  const admin = await openAdmin(client);
  await createTopics(admin, prefix);
  await registerSchemas({ registryUrl: servers.registry, prefix });
  const folders = migrationFolders(ROOT).filter((each) =>
    ["platform", "session-sink"].includes(each.owner),
  );
  await migrate({ url: servers.postgres, schema, folders, log: silentLogger });
  const database = openDatabase({
    url: servers.postgres,
    applicationName: "sink-test",
    schema,
    statementTimeoutMs: 60_000,
    poolMax: 2,
    log: silentLogger,
  });
  const codecs = await openCodecs({
    registryUrl: servers.registry,
    cacheDir: join(stateDir, "schemas"),
    prefix,
    log: silentLogger,
  });
  const producer = await openBatchingProducer(client);
  return {
    ...servers,
    database,
    stateDir,
    ...publisher(producer, codecs, prefix),
    async count(table) {
      const { rows } = await database.query<{ n: number }>(`select count(*) as n from ${table}`);
      return rows[0]?.n ?? 0;
    },
    async deadLetters(topic) {
      const ends = await admin.endOffsets(`${prefix}${topic}.dlq`);
      return ends.reduce((sum, end) => sum + end, 0);
    },
    async close() {
      await admin.close();
      await producer.close();
      codecs.close();
      await database.query(`drop schema "${schema}" cascade`);
      await database.close();
      await servers.close();
      rmSync(stateDir, { recursive: true });
    },
  };
}

async function createTopics(admin: KafkaAdmin, prefix: string): Promise<void> {
  const ours = sinkTopics.flatMap((topic) => [prefix + topic, `${prefix}${topic}.dlq`]);
  const definitions = topicDefinitions({ prefix, replicationFactor: 1 });
  await admin.createTopics(definitions.filter(({ topic }) => ours.includes(topic)));
}

function publisher(
  producer: BatchingProducer,
  codecs: Codecs,
  prefix: string,
): Pick<SinkStack, "publish" | "publishBytes"> {
  // As a producer that means it: a broker that is busy may take longer than it is given.
  const insist = (message: Parameters<BatchingProducer["publish"]>[0]) =>
    retryWhileAway(() => producer.publish(message), { log: silentLogger, what: "kafka" });
  const publishBytes: SinkStack["publishBytes"] = (topic, key, value) =>
    insist({ topic: prefix + topic, key, value });
  const encoders = new Map<TopicName, { encode(value: object): Buffer }>();
  return {
    publishBytes,
    async publish(topic, value) {
      let encoder = encoders.get(topic);
      if (encoder === undefined) {
        encoder = codecs.encoder<object>(topic);
        await codecs.ready();
        encoders.set(topic, encoder);
      }
      const user = userKey(value.tenant_id, value.user_id ?? "");
      const bytes = encoder.encode(value);
      if (topic !== "id.session.state") return publishBytes(topic, user, bytes);
      const partition = partitionOf(user, PARTITIONS_DEFAULT);
      const key = `${user}|${value.session_id}`;
      return insist({ topic: prefix + topic, key, value: bytes, partition });
    },
  };
}
