// Kafka, registry, PostgreSQL and Redis for one test, each to be stopped and started by order of the
// parent: {id, order, name} over IPC, answered with {id, error, address} once done. Ends them when the parent goes.
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HOME } from "@vigie/scripts/lib/base";
import { fetchJava } from "@vigie/scripts/lib/fetch-java";
import { startKafka } from "@vigie/scripts/lib/kafka";
import { checkNative, INNER_PORTS } from "@vigie/scripts/lib/native";
import { freePorts } from "@vigie/scripts/lib/ports";
import { startPostgres } from "@vigie/scripts/lib/postgres";
import { startMark, stopAll } from "@vigie/scripts/lib/processes";
import { createProgress } from "@vigie/scripts/lib/progress";
import { fetchRedis, startRedis } from "@vigie/scripts/lib/redis";
import { startRegistry } from "@vigie/scripts/lib/registry";
import { openState } from "@vigie/scripts/lib/state";
import { createVoice } from "@vigie/scripts/lib/voice";

const silent = { write: () => true, on: () => silent };
const say = createVoice(silent);
const data = mkdtempSync(join(tmpdir(), "vigie-outage-"));
chmodSync(data, 0o755); // PostgreSQL may have to run as another user.
const state = openState(join(HOME, "test-stacks", `${process.pid}.json`));
// Should we be killed, the next test run finds and ends what we began.
state.set({ runner: { pid: process.pid, startedAt: startMark(process.pid) }, folders: [data] });

const records = {};
const shared = {
  data,
  password: randomBytes(16).toString("hex"),
  durable: false,
  say,
  progress: createProgress(say).progress,
  register(server, outside = null) {
    records[server.record.name] = server.record;
    state.add(server);
    if (outside !== null) state.set({ folders: [...state.get().folders, outside] });
  },
};
const ports = await freePorts(["kafka", "registry", "standby", ...INNER_PORTS]);
const java = checkNative();
const at = (name) => ({
  ...shared,
  java,
  port: ports[name],
  log: join(data, "log", `${name}.log`),
});
let postgresUrl = "";

const start = {
  kafka: () => startKafka({ ...at("kafka"), controllerPort: ports.controller }),
  postgres: () => startPostgres(at("postgres")),
  redis: () => startRedis(at("redis")),
  // A second Redis, begun when it is asked for.
  standby: () => startRedis({ ...at("standby"), name: "standby" }),
  registry: () => {
    const managementPort = ports.registryManagement;
    return startRegistry({ ...at("registry"), managementPort, postgres: postgresUrl });
  },
};

async function startAll() {
  await fetchJava(shared);
  await fetchRedis(shared);
  const kafka = start.kafka();
  postgresUrl = await start.postgres();
  const [broker, registry, redis] = await Promise.all([kafka, start.registry(), start.redis()]);
  return { kafka: broker, registry, postgres: postgresUrl, redis };
}

let ending = false;
async function endAll() {
  if (ending) return;
  ending = true;
  await stopAll(Object.values(records));
  for (const folder of state.get().folders) rmSync(folder, { recursive: true, force: true });
  state.remove();
  process.exit(0);
}

process.on("message", async ({ id, order, name }) => {
  try {
    if (order === "stop") await stopAll([records[name]]);
    const address = order === "start" ? await start[name]() : null;
    process.send({ id, error: null, address });
  } catch (error) {
    process.send({ id, error: String(error) });
  }
});
process.on("disconnect", endAll);
// A run that is stopped, as by `timeout`, tells all of its processes at once.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, endAll);
try {
  process.send({ id: 0, error: null, addresses: await startAll() });
} catch (error) {
  process.send({ id: 0, error: String(error?.stack ?? error) });
  process.disconnect();
  await endAll();
}
