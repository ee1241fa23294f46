import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.ts";
import type { OwnedServers } from "./stack-servers.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const COMPOSE_FILE = "docker-compose.kafka.yml";
/** Images may have to be fetched first. */
const STARTUP_TIMEOUT_MS = 300_000;
const SERVERS = ["kafka", "registry", "postgres", "redis"] as const;

/** True when a Docker engine answers within 5 s. */
export function dockerAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    execFile("docker", ["info"], { timeout: 5_000 }, (error) => resolve(error === null));
  });
}

/** The servers of docker-compose.kafka.yml on free ports, by Testcontainers, which also cleans up. */
export async function startDockerStack(): Promise<OwnedServers> {
  // Loaded here only: it takes a second, and most machines of developers run the plain processes.
  const { DockerComposeEnvironment, Wait } = await import("testcontainers");
  const [kafka, registry, postgres, redis] = await Promise.all(SERVERS.map(freePort));
  const password = randomBytes(16).toString("hex");
  const environment = new DockerComposeEnvironment(ROOT, COMPOSE_FILE).withEnvironment({
    VIGIE_KAFKA_PORT: String(kafka),
    VIGIE_REGISTRY_PORT: String(registry),
    VIGIE_POSTGRES_PORT: String(postgres),
    VIGIE_REDIS_PORT: String(redis),
    VIGIE_POSTGRES_PASSWORD: password,
  });
  for (const server of SERVERS) {
    environment.withWaitStrategy(`${server}-1`, Wait.forHealthCheck());
  }
  const running = await environment.withStartupTimeout(STARTUP_TIMEOUT_MS).up();
  return {
    kafka: `127.0.0.1:${kafka}`,
    registry: `http://127.0.0.1:${registry}/apis/ccompat/v7`,
    postgres: `postgres://vigie:${password}@127.0.0.1:${postgres}/vigie`,
    redis: `redis://127.0.0.1:${redis}`,
    async stop() {
      await running.down({ removeVolumes: true });
    },
  };
}
