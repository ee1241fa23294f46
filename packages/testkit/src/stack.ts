import { randomBytes } from "node:crypto";
import { schemaOf } from "@vigie/service-kit/postgres/connection";
import { dockerAnswers, startDockerStack } from "./stack-docker.ts";
import { startNativeStack } from "./stack-native.ts";
import { type OwnedServers, parseServers, type Servers } from "./stack-servers.ts";

/** The servers, and a name of its own for one test file: prefix of topics, groups, keys, schema. */
export interface TestStack extends Servers {
  readonly prefix: string;
  /** PostgreSQL schema of the prefix. */
  readonly schema: string;
  /** The environment of a service or script that works on these servers under this prefix. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/**
 * Real servers for one test file, kept apart from all others by a fresh prefix.
 * Those named by VIGIE_TEST_STACK (JSON of `Servers`) when set, as `npm test` does; else a stack of
 * its own, in Docker when an engine answers, as plain processes otherwise.
 */
export async function stack(): Promise<TestStack> {
  const named = process.env.VIGIE_TEST_STACK;
  const owned = named ? { ...parseServers(named), stop: async () => {} } : await ownServers();
  const { stop, ...servers } = owned;
  const prefix = freshPrefix();
  return { ...servers, prefix, schema: schemaOf(prefix), env: envOf(servers, prefix), close: stop };
}

export const freshPrefix = (): string => `t${randomBytes(5).toString("hex")}.`;

async function ownServers(): Promise<OwnedServers> {
  const native = process.env.VIGIE_NATIVE === "1" || !(await dockerAnswers());
  return native ? startNativeStack() : startDockerStack();
}

function envOf(servers: Servers, prefix: string): Record<string, string> {
  return {
    KAFKA_BROKERS: servers.kafka,
    SCHEMA_REGISTRY_URL: servers.registry,
    DATABASE_URL: servers.postgres,
    REDIS_URL: servers.redis,
    VIGIE_TOPIC_PREFIX: prefix,
  };
}
