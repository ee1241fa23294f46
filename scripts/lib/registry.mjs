import { join } from "node:path";
import { REGISTRY_HOME } from "./fetch-java.mjs";
import { answersOk, launch, waitUntilReady } from "./processes.mjs";

/** Seconds on a quiet machine; a busy one may take this long. */
const READY_MS = 180_000;
/** It answers some dozens of requests: without the second compiler it is up in half the CPU time. */
const JVM = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/** Starts the schema registry on a database of its own. Returns: the URL of its Confluent API. */
export async function startRegistry({ java, port, managementPort, postgres, log, register }) {
  const { host, username, password } = new URL(postgres);
  const settings = {
    "quarkus.http.host": "127.0.0.1",
    "quarkus.http.port": port,
    "quarkus.management.host": "127.0.0.1",
    "quarkus.management.port": managementPort,
    "quarkus.http.access-log.enabled": false,
  };
  const flags = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
  const server = launch({
    name: "registry",
    command: java.command,
    args: [...JVM, ...flags, "-jar", join(REGISTRY_HOME, "quarkus-run.jar")],
    log,
    cwd: REGISTRY_HOME,
    env: {
      ...process.env,
      APICURIO_STORAGE_KIND: "sql",
      APICURIO_STORAGE_SQL_KIND: "postgresql",
      APICURIO_DATASOURCE_URL: `jdbc:postgresql://${host}/registry`,
      APICURIO_DATASOURCE_USERNAME: username,
      APICURIO_DATASOURCE_PASSWORD: password,
    },
  });
  register(server);
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  await waitUntilReady(server, () => answersOk(`${url}/subjects`), READY_MS);
  return url;
}
