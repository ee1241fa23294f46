import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { type Database, openDatabase, schemaOf } from "@vigie/service-kit/postgres/database";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import { createIssuer } from "@vigie/testkit/issuer";
import { freshPrefix } from "@vigie/testkit/stack";
import { type ForeignProducer, openForeignProducer } from "./foreign-producer.ts";
import { makeKeys } from "./keys.ts";
import { createService, runScript, type ServiceName, type ServiceProcess } from "./processes.ts";
import { openTopicReader, type TopicReader } from "./topic-reader.ts";

export interface Servers {
  readonly kafka: string;
  readonly registry: string;
  readonly postgres: string;
  readonly redis: string;
}

export const TENANT = "molam-sn";

/** All of Vigie as an operator runs it, under a prefix of its own. */
export interface Pipeline {
  readonly prefix: string;
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly producer: ForeignProducer;
  readonly reader: TopicReader;
  readonly database: Database;
  readonly redis: RedisStore;
  service(name: ServiceName): ServiceProcess;
  /** A bearer token of a trusted service, RS256. */
  token(claims?: Readonly<Record<string, unknown>>): string;
  /** What verifies the checkpoints of its audit log. */
  readonly verifierKey: string;
  /** The key that `token` signs with, as a script takes it. */
  readonly privateKeyPem: string;
  /** Posts to the edge as that service. */
  post(path: string, body: unknown): Promise<Response>;
  close(): Promise<void>;
}

export const allServices: readonly ServiceName[] = [
  "edge",
  "detector",
  "sessions",
  "session-sink",
  "session-cache",
  "audit-sink",
];

/** Provisions a fresh prefix on these servers and starts the services; resolves when all are ready. */
export async function openPipeline(
  servers: Servers,
  names: readonly ServiceName[] = allServices,
  over: Readonly<Record<string, string>> = {},
): Promise<Pipeline> {
  const prefix = freshPrefix();
  const directory = mkdtempSync(join(tmpdir(), "vigie-e2e-"));
  const keys = makeKeys(directory);
  const issuer = createIssuer();
  const env = {
    KAFKA_BROKERS: servers.kafka,
    SCHEMA_REGISTRY_URL: servers.registry,
    DATABASE_URL: servers.postgres,
    REDIS_URL: servers.redis,
    VIGIE_TOPIC_PREFIX: prefix,
    VIGIE_STATE_DIR: join(directory, "state"),
    ...keys.env,
    JWT_PUBLIC_KEY: issuer.publicKeyPem,
    ...over,
  };
  await runScript("scripts/provision.ts", env);
  const services = new Map<ServiceName, ServiceProcess>();
  for (const name of names) services.set(name, await createService({ name, env, directory }));
  const database = openDatabase({
    url: servers.postgres,
    caPath: null,
    applicationName: "vigie-e2e",
    schema: schemaOf(prefix),
    statementTimeoutMs: 15_000,
    poolMax: 2,
    log: silentLogger,
  });
  const redis = openRedis({
    url: servers.redis,
    prefix,
    connectionName: "vigie-e2e",
    log: silentLogger,
  });
  const producer = await openForeignProducer({ ...servers, prefix });
  const reader = await openTopicReader({ kafka: servers.kafka, prefix });
  const service = (name: ServiceName): ServiceProcess => {
    const found = services.get(name);
    if (found === undefined) throw new Error(`this pipeline has no ${name}`);
    return found;
  };
  const token = (claims: Readonly<Record<string, unknown>> = {}): string =>
    issuer.token({ sub: "auth-gateway", tenant_id: TENANT, scope: "events:write", ...claims });
  const close = async (): Promise<void> => {
    await Promise.all([...services.values()].map((each) => each.kill()));
    // Servers that others use as well are left as they were found; those of one test go with it.
    if (!("stop" in servers)) {
      await reader.deleteAll();
      await database.query(`drop schema ${schemaOf(prefix)} cascade`);
    }
    await Promise.allSettled([producer.close(), reader.close(), database.close(), redis.close()]);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all([...services.values()].map((each) => each.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    prefix,
    env,
    directory,
    producer,
    reader,
    database,
    redis,
    service,
    token,
    verifierKey: keys.verifierKey,
    privateKeyPem: issuer.privateKeyPem,
    post: (path, body) =>
      fetch(`${service("edge").url}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${token()}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    close,
  };
}
