import { join } from "node:path";
import { HOME, LOGS, PINNED_NODE, PROCESS_SETTINGS, ROOT } from "./base.mjs";
import { DEVELOPMENT_ORIGIN, keyFiles } from "./keys.mjs";
import { answersOk, exists, launch, waitUntilReady } from "./processes.mjs";

/** Seconds on a quiet machine; a busy one may take this long. */
const READY_MS = 180_000;

/** Every deployable that exists; those that are called answer on a port of their own, the others on one for metrics. */
const CALLED = ["edge", "geo"];
export const METRICS_PORTS = [
  "detector",
  "sessions",
  "session-sink",
  "session-cache",
  "audit-sink",
];
const SERVICES = [...CALLED, ...METRICS_PORTS];

/** Services whose tables belong to somebody else: they log in with their own role's rights only. */
const OWN_LOGINS = {
  edge: "vigie_edge_login",
  geo: "vigie_geo_login",
  "session-sink": "vigie_session_sink_login",
  "audit-sink": "vigie_audit_sink_login",
};

/** What provisioning, the services, the scenario and the tokens are told; an address may be missing yet. */
export function environmentOf({ addresses, secrets, env }) {
  return {
    NODE_ENV: "development",
    HOST: "127.0.0.1",
    LOG_LEVEL: "info",
    ...PROCESS_SETTINGS,
    ...env,
    KAFKA_BROKERS: addresses.kafka ?? "",
    SCHEMA_REGISTRY_URL: addresses.registry ?? "",
    DATABASE_URL: addresses.postgres ?? "",
    REDIS_URL: addresses.redis ?? "",
    VIGIE_KEYS_FILE: keyFiles.kms,
    JWT_PUBLIC_KEY: keyFiles.jwtPublic,
    JWT_PRIVATE_KEY: keyFiles.jwtPrivate,
    WORM_SIGNING_SECRET: secrets.wormSecret,
    USSD_WEBHOOK_SECRET: secrets.ussdSecret,
    AUDIT_ORIGIN: DEVELOPMENT_ORIGIN,
    AUDIT_SIGNING_KEY_FILE: keyFiles.checkpoints,
    VIGIE_LOGINS_PASSWORD: secrets.databasePassword,
    NODE_OPTIONS: "--disable-warning=ExperimentalWarning",
  };
}

/**
 * Starts every service at once and waits until each says that it is ready.
 * `ports` names a port for each service.
 * Returns: the base URL of each. Throws: Problem with the tail of the first one that fails.
 */
export async function startServices({ environment, ports, register, say }) {
  const started = SERVICES.filter((name) => exists(mainOf(name))).map(async (name) => {
    const port = ports[name];
    const service = launch({
      name,
      command: PINNED_NODE,
      args: [mainOf(name)],
      cwd: ROOT,
      log: join(LOGS, `${name}.log`),
      env: ownEnvironment(environment, name, port),
    });
    register(service);
    const url = `http://127.0.0.1:${port}`;
    await waitUntilReady(service, () => answersOk(`${url}/healthz`), READY_MS);
    say(name, `ready on ${url}`);
    return [name, url];
  });
  return Object.fromEntries(await Promise.all(started));
}

/** The environment of one service: its port, its folder, its login. */
function ownEnvironment(environment, name, port) {
  const { VIGIE_LOGINS_PASSWORD: password, ...shared } = environment;
  const url = new URL(environment.DATABASE_URL);
  url.username = OWN_LOGINS[name] ?? url.username;
  url.password = password;
  return {
    ...shared,
    DATABASE_URL: url.href,
    VIGIE_STATE_DIR: join(HOME, "state", name),
    [CALLED.includes(name) ? "PORT" : "METRICS_PORT"]: String(port),
  };
}

const mainOf = (name) => join(ROOT, "services", name, "src", "main.ts");
