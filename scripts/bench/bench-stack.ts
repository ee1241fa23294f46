import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@vigie/core/log";
import { createKeysFile } from "@vigie/service-kit/kms/keys-file";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { type KafkaClient, openKafka } from "@vigie/stream/kafka/client";
import { freshPrefix, stack } from "@vigie/testkit/stack";
import { runScript } from "./processes.ts";

const PROVISION = fileURLToPath(new URL("../provision.ts", import.meta.url));

/** Real servers for benchmarks; every bench works under a prefix and in a folder of its own. */
export interface BenchStack {
  readonly client: KafkaClient;
  readonly admin: KafkaAdmin;
  readonly kafka: string;
  readonly registryUrl: string;
  /** A fresh prefix with its topics, schemas and tables, and a folder for state and logs. */
  installation(name: string): Promise<Installation>;
  close(): Promise<void>;
}

export interface Installation {
  readonly prefix: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

export async function openBenchStack(): Promise<BenchStack> {
  const servers = await stack();
  const root = await mkdtemp(join(tmpdir(), "vigie-bench-"));
  const client = openKafka({
    brokers: [servers.kafka],
    clientId: "vigie-bench",
    log: silentLogger,
  });
  const admin = await openAdmin(client);
  return {
    client,
    admin,
    kafka: servers.kafka,
    registryUrl: servers.registry,
    async installation(name) {
      const prefix = freshPrefix();
      const folder = join(root, name);
      await mkdir(folder, { recursive: true });
      const keysFile = join(folder, "keys.json");
      createKeysFile(keysFile, 0);
      const env = {
        ...servers.env,
        VIGIE_TOPIC_PREFIX: prefix,
        VIGIE_STATE_DIR: join(folder, "state"),
        VIGIE_KEYS_FILE: keysFile,
        METRICS_PORT: "0",
        LOG_LEVEL: "info",
      };
      await runScript(PROVISION, [], env);
      return { prefix, folder, env };
    },
    async close() {
      await admin.close();
      await servers.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
