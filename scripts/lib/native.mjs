import { join } from "node:path";
import { checkMaven, fetchJava } from "./fetch-java.mjs";
import { findJava } from "./java.mjs";
import { startKafka } from "./kafka.mjs";
import { startPostgres } from "./postgres.mjs";
import { fetchRedis, startRedis } from "./redis.mjs";
import { startRegistry } from "./registry.mjs";

/** Ports of the native stack that nobody needs to know. */
export const INNER_PORTS = ["controller", "registryManagement", "postgres", "redis"];

/** Throws: Problem when this machine lacks something that Vigie cannot fetch by itself. */
export function checkNative() {
  checkMaven();
  return findJava();
}

/**
 * The four servers as plain processes, each begun as soon as what it needs is there.
 * Shape of `stack`: {ports, data, logs, password, durable, say, progress, register, installed};
 * `installed` resolves when the npm packages are in place; `register` gets every process at once.
 * Returns: {kafka, registry, postgres, redis}, each a promise of the address.
 */
export function startNative(stack) {
  const { ports, say, installed } = stack;
  const java = checkNative();
  const at = (name) => ({
    ...stack,
    java,
    port: ports[name],
    log: join(stack.logs, `${name}.log`),
  });
  const ready = async (name, starting) => {
    const address = await starting;
    say(name, `ready on 127.0.0.1:${ports[name]}`);
    return address;
  };

  const fetched = fetchJava(stack);
  const postgres = installed.then(() => ready("postgres", startPostgres(at("postgres"))));
  const kafka = fetched.then(() =>
    ready("kafka", startKafka({ ...at("kafka"), controllerPort: ports.controller })),
  );
  const redis = fetchRedis(stack).then(() => ready("redis", startRedis(at("redis"))));
  const registry = Promise.all([postgres, fetched]).then(([url]) => {
    const managementPort = ports.registryManagement;
    return ready("registry", startRegistry({ ...at("registry"), managementPort, postgres: url }));
  });
  const starting = { kafka, registry, postgres, redis };
  for (const address of Object.values(starting)) address.catch(() => {}); // Whoever awaits it hears.
  return starting;
}

/** The addresses once all are there. Throws: what the first server that fails throws. */
export async function allAddresses(starting) {
  const names = Object.keys(starting);
  const addresses = await Promise.all(Object.values(starting));
  return Object.fromEntries(names.map((name, index) => [name, addresses[index]]));
}
