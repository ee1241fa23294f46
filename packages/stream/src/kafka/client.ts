import net from "node:net";
import tls from "node:tls";
import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import {
  type Broker,
  type Cluster,
  type Connection,
  createErrorFromCode,
  createLogger,
  KafkajsCluster,
  type KafkajsError,
  type KafkajsLogger,
  kafkajs,
  type ProtocolRequest,
  READ_COMMITTED,
} from "./internals.ts";
import { pause } from "./pause.ts";

export type SaslOptions =
  | {
      readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
      readonly username: string;
      readonly password: string;
    }
  | {
      readonly mechanism: "oauthbearer";
      readonly oauthBearerProvider: () => Promise<{ value: string }>;
    };

export interface KafkaOptions {
  /** host:port of some brokers; the rest is learned from them. */
  readonly brokers: readonly string[];
  /** true: TLS with the system's authorities; an object: options of node:tls. */
  readonly ssl?: boolean | tls.ConnectionOptions | undefined;
  readonly sasl?: SaslOptions | undefined;
  readonly clientId: string;
  readonly log: Logger;
  /** A request that is not answered within this is given up, with its connection. Default 10 s. */
  readonly requestTimeoutMs?: number;
}

/** Opens connections to one Kafka installation; every producer and reader has its own. */
export interface KafkaClient {
  readonly clientId: string;
  readonly log: Logger;
  /** For the library's own objects (admin; consumers and producers of tests), repaired as well. */
  readonly kafkajs: import("kafkajs").Kafka;
  /** The logger in the library's shape. */
  readonly kafkajsLogger: KafkajsLogger;
  cluster(): Cluster;
}

/** A broker in the same region answers a connection within this; source: kafkajs's own default is 1 s, too short under load. */
const CONNECT_TIMEOUT_MS = 3_000;
/** An answer comes in ms, or the broker is away. Fetches and joins add what they ask the broker to wait. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Source: Java client's metadata.max.age.ms. */
const METADATA_MAX_AGE_MS = 300_000;
const KEEP_ALIVE_MS = 60_000;
const CLOSE_TIMEOUT_MS = 2_000;
/**
 * A broker has metadata of a new topic some ms before it leads it, and is found as the coordinator of the first group before
 * it is; a move takes seconds. The wait of a producer's request.
 */
const LEADER_TIMEOUT_MS = REQUEST_TIMEOUT_MS;
const LEADER_POLL_MS = 20;
/** Source: Kafka protocol, errors 5 and 6, 14 to 16. */
const LEADERLESS = new Set([
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_FOR_PARTITION",
  "GROUP_LOAD_IN_PROGRESS",
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR_FOR_GROUP",
]);
/** Inner retries are few and quick: the loops here wait, report and try again themselves. */
const RETRY = { initialRetryTime: 50, maxRetryTime: 500, retries: 4 };
/** The library's own objects have no loops around them: they try for some 5 s. */
const LIBRARY_RETRY = { initialRetryTime: 50, maxRetryTime: 1_000, retries: 8 };
/** Source: kafkajs loggers/index.js. */
const LOG_LEVEL_ERROR = 1;

interface SocketAbout {
  readonly host: string;
  readonly port: number;
  /** null when there is none: kafkajs's default. */
  readonly ssl?: tls.ConnectionOptions | null;
  readonly onConnect: () => void;
}

/** As kafkajs's own, without Nagle's delay: a commit is a chain of small requests. */
function openSocket({ host, port, ssl, onConnect }: SocketAbout): net.Socket {
  const servername = net.isIP(host) ? {} : { servername: host };
  const socket =
    ssl === undefined || ssl === null
      ? net.connect({ host, port }, onConnect)
      : tls.connect({ host, port, ...servername, ...ssl }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}

interface LogEntry {
  readonly namespace: string;
  readonly log: { readonly message: string } & Record<string, unknown>;
}

/** What kafkajs calls an error is mostly tried again by the loops here, which report what lasts: so all is debug. */
function logCreatorFor(log: Logger): () => (entry: LogEntry) => void {
  return () => (entry) => {
    const { message, error } = entry.log;
    log.debug({ client: entry.namespace, message, error }, "kafka.client");
  };
}

/** Opens nothing yet: connections are made by what is built on it. */
export function openKafka(options: KafkaOptions): KafkaClient {
  const { clientId, log } = options;
  const brokers = [...options.brokers];
  const ssl = options.ssl === true ? {} : options.ssl === false ? undefined : options.ssl;
  const shared = {
    brokers,
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(options.sasl === undefined ? {} : { sasl: options.sasl }),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: CONNECT_TIMEOUT_MS,
    reauthenticationThreshold: 10_000,
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    enforceRequestTimeout: true,
    socketFactory: openSocket,
    retry: RETRY,
  };
  const logCreator = logCreatorFor(log);
  const kafkajsLogger = createLogger({ level: LOG_LEVEL_ERROR, logCreator });
  const library = { ...shared, retry: LIBRARY_RETRY, logLevel: LOG_LEVEL_ERROR, logCreator };
  return {
    clientId,
    log,
    kafkajsLogger,
    kafkajs: new kafkajs.Kafka(library as unknown as import("kafkajs").KafkaConfig),
    cluster: () =>
      new KafkajsCluster({
        ...shared,
        logger: kafkajsLogger,
        metadataMaxAge: METADATA_MAX_AGE_MS,
        allowAutoTopicCreation: false,
        isolationLevel: READ_COMMITTED,
      }),
  };
}

/** Connects and loads the metadata of topics. Throws: VIG_TOPIC_MISSING for the first that does not exist. */
export async function openCluster(
  client: KafkaClient,
  topics: readonly string[],
): Promise<Cluster> {
  const cluster = client.cluster();
  try {
    await cluster.connect();
    await loadTopics(cluster, topics);
    return cluster;
  } catch (error) {
    await closeCluster(cluster);
    throw asVigError(error);
  }
}

export async function loadTopics(cluster: Cluster, topics: readonly string[]): Promise<void> {
  try {
    await cluster.addMultipleTargetTopics(topics);
  } catch (error) {
    if ((error as KafkajsError).type !== "UNKNOWN_TOPIC_OR_PARTITION") throw error;
    throw new VigError("VIG_TOPIC_MISSING", { topic: topics.join(", ") }, { cause: error });
  }
  for (const topic of topics) {
    if (cluster.findTopicPartitionMetadata(topic).length === 0) {
      throw new VigError("VIG_TOPIC_MISSING", { topic });
    }
  }
}

/** Sends to a broker as kafkajs does: a connection that the broker closed is given up. */
export async function sendTo<T>(broker: Broker, request: ProtocolRequest<T>): Promise<T> {
  try {
    return await broker.connectionPool.send(request);
  } catch (error) {
    if ((error as Error).name === "KafkaJSConnectionClosedError") await broker.disconnect();
    throw error;
  }
}

/**
 * Brings a cluster back after an error: connections, and who leads what. Throws while the brokers are away.
 * A request that was never answered condemns its connection: kafkajs would go on using it, though the other side may
 * have vanished without a word.
 */
export async function recoverCluster(cluster: Cluster, error?: unknown): Promise<void> {
  if (rootOf(error).name === "KafkaJSRequestTimeoutError") await dropConnections(cluster);
  if (!cluster.isConnected()) await cluster.connect();
  await cluster.refreshMetadata();
}

/** kafkajs wraps what its inner retries gave up on; the innermost error says what happened. */
export function rootOf(error: unknown): KafkajsError {
  let root = (error ?? new Error("none")) as KafkajsError;
  while (root.cause instanceof Error) root = root.cause as KafkajsError;
  return root;
}

/**
 * Does what may be done twice. A connection that had been lost meanwhile is made again, once; a partition whose leader, or a group whose
 * coordinator, is being made or moved is asked for again until LEADER_TIMEOUT_MS are over. Throws: VigErrors only.
 */
export async function withRecovery<T>(cluster: Cluster, work: () => Promise<T>): Promise<T> {
  const deadlineMs = Date.now() + LEADER_TIMEOUT_MS;
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const leaderless = LEADERLESS.has(rootOf(error).type ?? "");
      if (leaderless ? Date.now() >= deadlineMs : tries > 1) throw asVigError(error);
      await recovered(cluster, error);
      if (leaderless) await pause(LEADER_POLL_MS);
    }
  }
}

async function recovered(cluster: Cluster, error: unknown): Promise<void> {
  if (error instanceof VigError) throw error;
  try {
    await recoverCluster(cluster, error);
  } catch (again) {
    throw asVigError(again);
  }
}

const connectionsOf = (cluster: Cluster): Connection[] => {
  const { brokers, seedBroker } = cluster.brokerPool;
  const all = [...Object.values(brokers), ...(seedBroker === undefined ? [] : [seedBroker])];
  return all.flatMap((broker) => broker.connectionPool.pool);
};

async function dropConnections(cluster: Cluster): Promise<void> {
  const error = new Error("the connection is given up: a request was never answered");
  await Promise.all(
    connectionsOf(cluster).map(async (connection) => {
      connection.requestQueue.rejectAll(error);
      await connection.disconnect();
      connection.socket?.destroy();
    }),
  );
}

/**
 * Closes all connections; requests under way are rejected at once. kafkajs would wait for their responses, for ever
 * when the broker is gone.
 */
export async function closeCluster(cluster: Cluster): Promise<void> {
  const connections = connectionsOf(cluster);
  const closed = new VigError("VIG_BROKER_AWAY", { why: "the connection was closed on purpose" });
  for (const connection of connections) {
    // What is on its way to this connection would otherwise open it again.
    connection.connect = () => Promise.reject(closed);
    connection.requestQueue.rejectAll(closed);
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
  });
  await Promise.race([cluster.disconnect().catch(() => undefined), late]);
  clearTimeout(timer);
  for (const { socket } of connections) socket?.destroy();
}

/** Any error of the client as one of ours: the broker is away, unless it says more. */
export function asVigError(thrown: unknown): VigError {
  if (thrown instanceof VigError) return thrown;
  const error = thrown as KafkajsError;
  const why = error.type === undefined ? error.message : `${error.type}: ${error.message}`;
  return new VigError("VIG_BROKER_AWAY", { why }, { cause: thrown });
}

/** Throws the error that a code of the protocol stands for; 0 is none. */
export function throwIfError(code: number): void {
  if (code !== 0) throw createErrorFromCode(code);
}
