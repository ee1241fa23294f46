import { join } from "node:path";
import { Problem, ROOT } from "./base.mjs";
import { execute } from "./processes.mjs";

const FILE = join(ROOT, "docker-compose.kafka.yml");
const PROJECT = "vigie";
const ANSWER_MS = 5_000;
/** Ports of the Docker stack that nobody needs to know. */
export const DOCKER_PORTS = ["postgres", "redis"];

/** True when a Docker engine with Compose answers; VIGIE_NATIVE=1 keeps us from asking. */
export async function dockerAnswers(env = process.env) {
  if (env.VIGIE_NATIVE === "1") return false;
  const asked = await Promise.all([
    execute("docker", ["info"], { timeout: ANSWER_MS }),
    execute("docker", ["compose", "version"], { timeout: ANSWER_MS }),
  ]);
  return asked.every(({ status }) => status === 0);
}

/** The same four servers as containers. Returns: {kafka, registry, postgres, redis}, each a promise. */
export function startDocker(stack) {
  const all = composeUp(stack);
  all.catch(() => {}); // Whoever awaits an address hears.
  const names = ["kafka", "registry", "postgres", "redis"];
  return Object.fromEntries(names.map((name) => [name, all.then((addresses) => addresses[name])]));
}

async function composeUp({ ports, password, say, project = PROJECT }) {
  say("docker", "starting Kafka, registry, PostgreSQL and Redis (images are fetched once)");
  const args = ["compose", "-f", FILE, "-p", project, "up", "--detach", "--wait", "--quiet-pull"];
  const { status, stderr } = await execute("docker", args, {
    env: composeEnvironment({ ports, password }),
  });
  if (status !== 0) {
    throw new Problem("Docker could not bring up the servers.", stderr.trim().slice(-2_000));
  }
  return {
    kafka: `127.0.0.1:${ports.kafka}`,
    registry: `http://127.0.0.1:${ports.registry}/apis/ccompat/v7`,
    postgres: `postgres://vigie:${password}@127.0.0.1:${ports.postgres}/vigie`,
    redis: `redis://127.0.0.1:${ports.redis}`,
  };
}

/** Ends the containers; their volumes are kept unless `forget` is set. */
export async function stopDocker({ project = PROJECT, forget = false } = {}) {
  const args = ["compose", "-f", FILE, "-p", project, "down", ...(forget ? ["--volumes"] : [])];
  const env = composeEnvironment({ ports: {}, password: "unused" });
  const { status, stderr } = await execute("docker", args, { env });
  if (status !== 0) throw new Problem("Docker could not stop the servers.", stderr.trim());
}

function composeEnvironment({ ports, password }) {
  const named = {
    VIGIE_KAFKA_PORT: ports.kafka,
    VIGIE_REGISTRY_PORT: ports.registry,
    VIGIE_POSTGRES_PORT: ports.postgres,
    VIGIE_REDIS_PORT: ports.redis,
  };
  const given = Object.entries(named).filter(([, port]) => port !== undefined);
  const texts = Object.fromEntries(given.map(([name, port]) => [name, String(port)]));
  return { ...process.env, ...texts, VIGIE_POSTGRES_PASSWORD: password };
}
