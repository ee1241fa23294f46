import { createRequire } from "node:module";
import { applyRepairs, type EncodedPayload } from "./repairs.ts";

/**
 * The parts of kafkajs 2.2.4 that this folder builds on, typed as far as they are used: its clusters (metadata,
 * connections, TLS and SASL), brokers (the requests) and group membership. Its producer and its fetch loop are not
 * used: one request a send, waiting for every batch, and resets without a word could not be repaired from outside.
 */
export interface ProtocolRequest<T> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<EncodedPayload>;
  };
  readonly response: {
    decode(payload: Buffer): Promise<unknown>;
    parse(decoded: unknown): Promise<T>;
  };
  readonly requestTimeout?: number;
}

interface RequestQueue {
  rejectAll(error: Error): void;
}

export interface Connection {
  readonly requestQueue: RequestQueue;
  readonly socket?: { destroy(): void };
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
}

interface TransactionIdentity {
  readonly transactionalId: string;
  readonly producerId: string | number;
  readonly producerEpoch: number;
}

interface OffsetsByTopic<P> {
  readonly topic: string;
  readonly partitions: readonly P[];
}

export interface Broker {
  readonly nodeId: number;
  readonly versions: Record<number, { readonly maxVersion: number }>;
  readonly connectionPool: {
    readonly pool: readonly Connection[];
    send<T>(request: ProtocolRequest<T>): Promise<T>;
  };
  isConnected(): boolean;
  disconnect(): Promise<void>;
  initProducerId(about: {
    transactionalId?: string | undefined;
    transactionTimeout: number;
  }): Promise<{ producerId: string; producerEpoch: number }>;
  addPartitionsToTxn(
    about: TransactionIdentity & { topics: readonly OffsetsByTopic<number>[] },
  ): Promise<unknown>;
  addOffsetsToTxn(about: TransactionIdentity & { groupId: string }): Promise<unknown>;
  txnOffsetCommit(
    about: TransactionIdentity & {
      groupId: string;
      topics: readonly OffsetsByTopic<{ partition: number; offset: string; metadata: string }>[];
    },
  ): Promise<unknown>;
  endTxn(about: TransactionIdentity & { transactionResult: boolean }): Promise<unknown>;
  offsetFetch(about: {
    groupId: string;
    topics: readonly OffsetsByTopic<{ partition: number }>[];
  }): Promise<{
    responses: {
      topic: string;
      partitions: { partition: number; offset: string; metadata: string | null }[];
    }[];
  }>;
  offsetCommit(about: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    retentionTime?: number;
    topics: readonly OffsetsByTopic<{ partition: number; offset: string }>[];
  }): Promise<unknown>;
  listOffsets(about: {
    replicaId?: number;
    isolationLevel: number;
    topics: readonly OffsetsByTopic<{ partition: number; timestamp: number }>[];
  }): Promise<{
    responses: { topic: string; partitions: { partition: number; offset: string }[] }[];
  }>;
  leaveGroup(about: { groupId: string; memberId: string }): Promise<unknown>;
  deleteRecords(about: {
    topics: readonly OffsetsByTopic<{ partition: number; offset: string }>[];
  }): Promise<unknown>;
}

export interface PartitionMetadata {
  readonly partitionId: number;
  readonly leader: number;
}

export interface Cluster {
  readonly brokerPool: {
    readonly brokers: Record<string, Broker>;
    readonly seedBroker?: Broker;
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  removeBroker(address: { host: string; port: number }): void;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly PartitionMetadata[];
  findBroker(about: { nodeId: number | string }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
  findGroupCoordinator(about: { groupId: string; coordinatorType?: number }): Promise<Broker>;
}

export interface KafkajsLogger {
  namespace(name: string): KafkajsLogger;
}

/** What kafkajs throws: `type` names the broker's error code. */
export interface KafkajsError extends Error {
  readonly type?: string;
  readonly code?: number | string;
  readonly retriable?: boolean;
  readonly host?: string;
  readonly port?: number;
}

export interface AssignerMember {
  readonly memberId: string;
  readonly memberMetadata: Buffer;
}

export interface Assigner {
  readonly name: string;
  readonly version: number;
  assign(about: {
    members: readonly AssignerMember[];
    topics: readonly string[];
  }): Promise<{ memberId: string; memberAssignment: Buffer }[]>;
  protocol(about: { topics: readonly string[] }): { name: string; metadata: Buffer };
}

export interface GroupMembership {
  memberId: string | null;
  readonly generationId: number | null;
  connect(): Promise<void>;
  joinAndSync(): Promise<void>;
  heartbeat(about: { interval: number }): Promise<void>;
  leave(): Promise<void>;
  assigned(): { topic: string; partitions: number[] }[];
}

interface AssignerProtocol {
  readonly MemberMetadata: {
    encode(about: { version: number; topics: readonly string[]; userData: Buffer }): Buffer;
    decode(bytes: Buffer): { version: number; topics: string[]; userData: Buffer | null };
  };
  readonly MemberAssignment: {
    encode(about: {
      version: number;
      assignment: Record<string, number[]>;
      userData: Buffer;
    }): Buffer;
  };
}

type Construct<T> = new (options: object) => T;

const load = createRequire(import.meta.url);
applyRepairs();
// The whole library first, so that nothing of it is loaded in parts before it is repaired.
export const kafkajs = load("kafkajs") as typeof import("kafkajs");
export const KafkajsCluster = load("kafkajs/src/cluster") as Construct<Cluster>;
export const KafkajsGroup = load(
  "kafkajs/src/consumer/consumerGroup",
) as Construct<GroupMembership>;
export const KafkajsEmitter = load("kafkajs/src/instrumentation/emitter") as Construct<object>;
export const { createLogger } = load("kafkajs/src/loggers") as {
  createLogger(options: object): KafkajsLogger;
};
export const { createErrorFromCode } = load("kafkajs/src/protocol/error") as {
  createErrorFromCode(code: number): KafkajsError;
};
export const { MemberMetadata, MemberAssignment } = load(
  "kafkajs/src/consumer/assignerProtocol",
) as AssignerProtocol;
export const fetchProtocol = (
  load("kafkajs/src/protocol/requests/fetch") as {
    protocol(about: { version: number }): (options: object) => ProtocolRequest<unknown>;
  }
).protocol({ version: 11 });

export const COORDINATOR_OF_GROUP = 0;
export const COORDINATOR_OF_TRANSACTION = 1;
export const READ_UNCOMMITTED = 0;
export const READ_COMMITTED = 1;
