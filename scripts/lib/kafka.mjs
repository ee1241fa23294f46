import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Problem } from "./base.mjs";
import { KAFKA_LIBS } from "./fetch-java.mjs";
import { execute, exists, launch, waitUntilReady } from "./processes.mjs";

/** Seconds on a quiet machine; a busy one may take this long. */
const READY_MS = 180_000;
const HEAP = "-Xmx512m";

/** One combined broker and controller (KRaft). The quorum is static, so that its port may change. */
const properties = ({ port, controllerPort, folder }) => `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
log.dirs=${folder}
num.partitions=6
auto.create.topics.enable=false
offsets.topic.num.partitions=5
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=2097152
`;

/** Starts the broker, formatting its folder the first time. `settings`: more properties. Returns: host:port. */
export async function startKafka(broker) {
  const { java, port, controllerPort, data, log, register, settings = "" } = broker;
  const folder = join(data, "kafka");
  const file = join(data, "kafka.properties");
  mkdirSync(data, { recursive: true });
  writeFileSync(file, properties({ port, controllerPort, folder }) + settings);
  if (!exists(join(folder, "meta.properties"))) await format({ java, file, folder });
  const log4j = join(data, "kafka-log4j2.properties");
  writeFileSync(log4j, LOG4J);
  const server = launch({
    name: "kafka",
    command: java.command,
    args: [HEAP, `-Dlog4j2.configurationFile=${log4j}`, "-cp", CLASSPATH, "kafka.Kafka", file],
    log,
    env: process.env,
  });
  register(server);
  await waitUntilReady(server, () => answersApiVersions(port), READY_MS);
  return `127.0.0.1:${port}`;
}

const CLASSPATH = join(KAFKA_LIBS, "*");

const LOG4J = `appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c{1} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
`;

async function format({ java, file, folder }) {
  rmSync(folder, { recursive: true, force: true });
  const args = [
    "-XX:TieredStopAtLevel=1",
    "-cp",
    CLASSPATH,
    "kafka.tools.StorageTool",
    "format",
    "-t",
    clusterId(),
  ];
  const { status, stdout, stderr } = await execute(java.command, [...args, "-c", file]);
  if (status === 0) return;
  throw new Problem("Kafka's data folder cannot be formatted.", `${stdout}${stderr}`.trim());
}

/** 16 random bytes in URL-safe base64, as Kafka's own tool makes them; a leading "-" reads as an option. */
function clusterId() {
  const id = randomBytes(16).toString("base64url");
  return id.startsWith("-") ? clusterId() : id;
}

/** Asks for the API versions, the one request that needs no agreement first, and awaits any answer. */
function answersApiVersions(port) {
  const body = Buffer.from([0, 18, 0, 0, 0, 0, 0, 1, 0, 0]); // key 18, version 0, id 1, no client id
  const request = Buffer.concat([Buffer.from([0, 0, 0, body.length]), body]);
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    const end = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
    socket.once("data", () => end(true));
  });
}
