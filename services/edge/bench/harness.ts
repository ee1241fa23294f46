import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@vigie/core/log";
import { physicalName, topicNames } from "@vigie/schemas/catalogue";
import { provisionTopics, registerSchemas } from "@vigie/schemas/provision";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { stack, type TestStack } from "@vigie/testkit/stack";

/** Where the benchmarks of the edge work. */

export const fileHere = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** What an edge of a benchmark is told besides where its servers are. */
export const edgeEnv = (
  { env }: Installation,
  { folder, publicKeyPem }: { readonly folder: string; readonly publicKeyPem: string },
) => ({
  ...env,
  NODE_ENV: "production",
  HOST: "127.0.0.1",
  PORT: "0",
  VIGIE_STATE_DIR: folder,
  JWT_PUBLIC_KEY: publicKeyPem,
  // Production refuses the default; no checkpoint is read here.
  AUDIT_ORIGIN: "bench.example/audit",
  RATE_LIMIT_SERVICE_PER_MINUTE: "100000000",
});

/** Runs a benchmark on an installation, with a folder that is gone after. */
export async function withInstallation<T>(
  work: (installation: Installation, folder: string) => Promise<T>,
): Promise<T> {
  const installation = await openInstallation();
  const folder = await mkdtemp(join(tmpdir(), "vigie-bench-"));
  try {
    return await work(installation, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
    await installation.close();
  }
}

/** Where a benchmark works. */
export interface Installation {
  readonly kafka: string;
  readonly registry: string;
  readonly redis: string;
  readonly prefix: string;
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The one that the environment names, else one of its own; with topics and schemas. */
async function openInstallation(): Promise<Installation> {
  const installation = named() ?? (await own());
  const { kafka, registry, prefix } = installation;
  await withAdmin(kafka, (admin) => provisionTopics(admin, { prefix, replicationFactor: 1 }));
  await registerSchemas({ registryUrl: registry, prefix });
  return installation;
}

function named(): Installation | null {
  const {
    KAFKA_BROKERS: kafka,
    SCHEMA_REGISTRY_URL: registry,
    REDIS_URL: redis,
    VIGIE_TOPIC_PREFIX: prefix = "",
  } = process.env;
  if (!kafka || !registry || !redis) return null;
  const env = {
    KAFKA_BROKERS: kafka,
    SCHEMA_REGISTRY_URL: registry,
    VIGIE_TOPIC_PREFIX: prefix,
  };
  return { kafka, registry, redis, prefix, env, close: async () => {} };
}

async function own(): Promise<Installation> {
  const servers = await stack();
  return { ...servers, close: () => closeOwn(servers) };
}

async function closeOwn(servers: TestStack): Promise<void> {
  await withAdmin(servers.kafka, (admin) =>
    admin.deleteTopics(topicNames.map((topic) => physicalName(servers.prefix, topic))),
  );
  await servers.close();
}

async function withAdmin(
  kafka: string,
  work: (admin: KafkaAdmin) => Promise<unknown>,
): Promise<void> {
  const client = openKafka({ brokers: kafka.split(","), clientId: "bench", log: silentLogger });
  const admin = await openAdmin(client);
  try {
    await work(admin);
  } finally {
    await admin.close();
  }
}
