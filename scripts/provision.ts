import { join } from "node:path";
import { messageOf } from "@vigie/core/errors";
import { type Logger, silentLogger } from "@vigie/core/log";
import { provisionTopics, registerSchemas } from "@vigie/schemas/provision";
import { integer, loadConfig, optional, type Parsed } from "@vigie/service-kit/config";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import { openDatabase, schemaOf } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { seed } from "@vigie/service-kit/postgres/seed";
import {
  databaseConfig,
  kafkaConfig,
  prefixConfig,
  registryConfig,
} from "@vigie/service-kit/shared-config";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";

const ROOT = join(import.meta.dirname, "..");

const brokerConfig = {
  ...kafkaConfig,
  KAFKA_REPLICATION_FACTOR: optional(
    integer({ about: "of new topics; unset: the broker's default", min: 1, max: 10 }),
  ),
};
const contractConfig = { ...prefixConfig, ...registryConfig };
const storeConfig = { ...prefixConfig, ...databaseConfig };

/** One part of provisioning: whether its variable is set, what it does, what is left out without. */
interface Part {
  readonly name: string;
  readonly variable: string;
  readonly leavesOut: string;
  /** Returns: what was done, in words. */
  readonly run: () => Promise<string>;
}

async function topics(config: Parsed<typeof brokerConfig>): Promise<string> {
  const { prefix, ...reach } = kafkaOptions(config);
  const admin = await openAdmin(
    openKafka({ ...reach, clientId: "vigie-provision", log: silentLogger }),
  );
  try {
    const factor = config.KAFKA_REPLICATION_FACTOR;
    const done = await provisionTopics(admin, {
      prefix,
      ...(factor === null ? {} : { replicationFactor: factor }),
    });
    const differing = done.differing.map(
      ({ topic, wanted, found }) => `\n${topic} has ${found} partitions, the catalogue ${wanted}`,
    );
    return `${done.created.length} topics created, ${done.configured.length} configured${differing.join("")}`;
  } finally {
    await admin.close();
  }
}

async function schemas(config: Parsed<typeof contractConfig>): Promise<string> {
  const registered = await registerSchemas({
    registryUrl: config.SCHEMA_REGISTRY_URL,
    prefix: config.VIGIE_TOPIC_PREFIX,
  });
  return `${registered.length} subjects registered, compatibility FULL_TRANSITIVE`;
}

async function tables(config: Parsed<typeof storeConfig>): Promise<string> {
  const reach = {
    url: config.DATABASE_URL,
    caPath: config.DATABASE_SSL_CA,
    schema: schemaOf(config.VIGIE_TOPIC_PREFIX),
    log: silentLogger satisfies Logger,
  };
  const applied = await migrate({ ...reach, folders: migrationFolders(ROOT) });
  const database = openDatabase({
    ...reach,
    applicationName: "vigie-provision",
    statementTimeoutMs: config.DATABASE_STATEMENT_TIMEOUT_MS,
    poolMax: 1,
  });
  try {
    const seeded = await seed(database);
    return `schema ${reach.schema}: ${applied.length} migrations applied, ${seeded} rows seeded`;
  } finally {
    await database.close();
  }
}

const parts: readonly Part[] = [
  {
    name: "topics",
    variable: "KAFKA_BROKERS",
    leavesOut: "no topics are created",
    run: () => topics(loadConfig(brokerConfig, process)),
  },
  {
    name: "schemas",
    variable: "SCHEMA_REGISTRY_URL",
    leavesOut: "no schemas are registered",
    run: () => schemas(loadConfig(contractConfig, process)),
  },
  {
    name: "tables",
    variable: "DATABASE_URL",
    leavesOut: "no migrations run, no tenants are seeded",
    run: () => tables(loadConfig(storeConfig, process)),
  },
];

/** Runs a part that its variable asks for. Returns: false when it failed, which it has said. */
async function provision({ name, variable, leavesOut, run }: Part): Promise<boolean> {
  if (!process.env[variable]) {
    console.log(`${name}: ${variable} is not set, so ${leavesOut}`);
    return true;
  }
  try {
    console.log(`${name}: ${await run()}`);
    return true;
  } catch (error) {
    console.error(`${name}: ${messageOf(error)}`);
    return false;
  }
}

const done = await Promise.all(parts.map(provision));
process.exit(done.every(Boolean) ? 0 : 1);
