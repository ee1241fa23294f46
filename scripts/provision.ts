import { join } from "node:path";
import { messageOf } from "@vigie/core/errors";
import { type Logger, silentLogger } from "@vigie/core/log";
import { provisionTopics, registerSchemas } from "@vigie/schemas/provision";
import { integer, loadConfig, optional, type Parsed, secret } from "@vigie/service-kit/config";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import { type Database, openDatabase, schemaOf } from "@vigie/service-kit/postgres/database";
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
const storeConfig = {
  ...prefixConfig,
  ...databaseConfig,
  VIGIE_LOGINS_PASSWORD: optional(
    secret({ about: "set: each service's role gets a login <role>_login with it" }),
  ),
};

/** Services that own no table and work as a role of their own, which their migrations make. */
const SERVICE_ROLES = [
  "vigie_edge",
  "vigie_geo",
  "vigie_session_sink",
  "vigie_audit_sink",
] as const;

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
    const password = config.VIGIE_LOGINS_PASSWORD;
    if (password !== null) await makeLogins(database, password);
    return `schema ${reach.schema}: ${applied.length} migrations applied, ${seeded} rows seeded`;
  } finally {
    await database.close();
  }
}

/**
 * A login for each service's role, with nothing but that role's rights: so the sinks could not change
 * what they have written, whatever became of them. For machines without an operator who does this.
 */
async function makeLogins(database: Database, password: string): Promise<void> {
  for (const role of SERVICE_ROLES) {
    const login = `${role}_login`;
    // A statement that defines a role takes no parameters, so PostgreSQL itself quotes them.
    const { rows } = await database.query<{ statement: string }>(
      `select format(case when exists (select from pg_roles where rolname = $1)
                then 'alter role %1$I with login password %2$L'
                else 'create role %1$I with login password %2$L in role %3$I' end,
              $1::text, $2::text, $3::text) as statement`,
      [login, password, role],
    );
    for (const { statement } of rows) await database.query(statement);
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

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !parts.some((part) => part.name === name));
if (unknown.length > 0) {
  console.error(`${unknown.join(", ")}: no part; there are ${parts.map(({ name }) => name)}`);
  process.exit(64); // EX_USAGE of sysexits.h
}
const wanted = parts.filter(({ name }) => chosen.length === 0 || chosen.includes(name));
const done = await Promise.all(wanted.map(provision));
process.exit(done.every(Boolean) ? 0 : 1);
