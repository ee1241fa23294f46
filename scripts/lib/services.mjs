import { join } from "node:path";
import { HOME, LOGS, PINNED_NODE, ROOT } from "./base.mjs";
import { keyFiles } from "./keys.mjs";
import { exists, launch, waitUntilReady } from "./processes.mjs";
import { answersOk } from "./registry.mjs";

const READY_MS = 60_000;

/** Every deployable that exists; the edge answers on its own port, the others on one for metrics. */
const SERVICES = ["edge", "detector", "sessions", "session-sink", "session-cache", "audit-sink"];
export const METRICS_PORTS = SERVICES.filter((name) => name !== "edge");

/** What provisioning, the services, the scenario and the tokens are told. */
export function environmentOf({ addresses, secrets, env }) {
  return {
    NODE_ENV: "development",
    HOST: "127.0.0.1",
    LOG_LEVEL: "info",
    ...env,
    KAFKA_BROKERS: addresses.kafka,
    SCHEMA_REGISTRY_URL: addresses.registry,
    DATABASE_URL: addresses.postgres,
    REDIS_URL: addresses.redis,
    VIGIE_KEYS_FILE: keyFiles.kms,
    JWT_PUBLIC_KEY: keyFiles.jwtPublic,
    JWT_PRIVATE_KEY: keyFiles.jwtPrivate,
    WORM_SIGNING_SECRET: secrets.wormSecret,
    NODE_OPTIONS: "--disable-warning=ExperimentalWarning",
  };
}

/**
 * Starts every service at once and waits until each says that it is ready.
 * `ports` names a port for the edge and one for the metrics of each other service.
 * Returns: the base URL of each. Throws: Problem with the tail of the first one that fails.
 */
export async function startServices({ environment, ports, register, say }) {
  const started = SERVICES.filter((name) => exists(mainOf(name))).map(async (name) => {
    const port = ports[name];
    const own = name === "edge" ? { PORT: String(port) } : { METRICS_PORT: String(port) };
    const service = launch({
      name,
      command: PINNED_NODE,
      args: [mainOf(name)],
      cwd: ROOT,
      log: join(LOGS, `${name}.log`),
      env: { ...environment, ...own, VIGIE_STATE_DIR: join(HOME, "state", name) },
    });
    register(service);
    const url = `http://127.0.0.1:${port}`;
    await waitUntilReady(service, () => answersOk(`${url}/healthz`), READY_MS);
    say(name, `ready on ${url}`);
    return [name, url];
  });
  return Object.fromEntries(await Promise.all(started));
}

const mainOf = (name) => join(ROOT, "services", name, "src", "main.ts");
