import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import type { ConfigEntries } from "kafkajs";
import {
  asVigError,
  closeCluster,
  type KafkaClient,
  loadTopics,
  recoverCluster,
  rootOf,
  withRecovery,
} from "./client.ts";
import {
  type Cluster,
  type KafkajsError,
  kafkajs,
  READ_COMMITTED,
  READ_UNCOMMITTED,
} from "./internals.ts";
import { pause } from "./pause.ts";
import type { TopicPartition, TopicPartitionOffset } from "./types.ts";

export interface TopicSpec {
  /** Physical name. */
  readonly topic: string;
  readonly partitions: number;
  /** Default: the broker's. */
  readonly replicas?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

/** What a group has committed; offset null: nothing. */
export interface CommittedOffset extends TopicPartition {
  readonly offset: number | null;
  readonly metadata: string;
}

export interface KafkaAdmin {
  /** Partition counts of the topics that exist; the others are absent. */
  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Creates what is missing; leaves what exists as it is. Returns the names of the created. */
  createTopics(specs: readonly TopicSpec[]): Promise<readonly string[]>;
  topicConfigs(topic: string): Promise<Readonly<Record<string, string>>>;
  /** Sets these configs, keeping the topic's other own ones. */
  setTopicConfigs(topic: string, configs: Readonly<Record<string, string>>): Promise<void>;
  deleteTopics(topics: readonly string[]): Promise<void>;
  /** Forgets records below these offsets. */
  deleteRecords(offsets: readonly TopicPartitionOffset[]): Promise<void>;
  /** High watermarks in order of partition: the offset that the next record gets. */
  endOffsets(topic: string): Promise<readonly number[]>;
  /** Last stable offsets in order of partition: where a read-committed reader ends. */
  stableOffsets(topic: string): Promise<readonly number[]>;
  /** Low watermarks in order of partition: the oldest offsets still held. */
  lowOffsets(topic: string): Promise<readonly number[]>;
  committed(groupId: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]>;
  /** Sets the offsets of a group that has no members. */
  setCommitted(groupId: string, offsets: readonly TopicPartitionOffset[]): Promise<void>;
  /** Takes a member out of its group, as it would itself; an unknown one is no error. */
  leaveGroup(groupId: string, memberId: string): Promise<void>;
  clusterId(): Promise<string>;
  close(): Promise<void>;
}

// Source: Kafka protocol, ListOffsets.
const EARLIEST = -2;
const LATEST = -1;
/** The broker's own time for it; the client waits 10 s for the answer. */
const CREATE_TIMEOUT_MS = 8_000;
/** A broker with a busy disk leads new partitions late, and nobody can use them before. */
const LED_TIMEOUT_MS = 60_000;
const LED_POLL_MS = 20;
const SOON_THERE = new Set(["UNKNOWN_TOPIC_OR_PARTITION", "LEADER_NOT_AVAILABLE"]);
const UNDER_WAY = new Set(["TOPIC_ALREADY_EXISTS", "REQUEST_TIMED_OUT"]);

/** The offsets of all partitions of a topic by a special timestamp, in order of partition. */
export async function listOffsets(
  cluster: Cluster,
  topic: string,
  about: { readonly timestamp: number; readonly isolationLevel: number },
): Promise<number[]> {
  await loadTopics(cluster, [topic]);
  const partitions = cluster.findTopicPartitionMetadata(topic);
  const leaders = [...new Set(partitions.map(({ leader }) => leader))];
  const offsets: number[] = new Array(partitions.length).fill(-1);
  for (const leader of leaders) {
    const broker = await cluster.findBroker({ nodeId: leader });
    const asked = partitions
      .filter((partition) => partition.leader === leader)
      .map(({ partitionId }) => ({ partition: partitionId, timestamp: about.timestamp }));
    const { responses } = await broker.listOffsets({
      isolationLevel: about.isolationLevel,
      topics: [{ topic, partitions: asked }],
    });
    for (const { partition, offset } of responses.flatMap((response) => response.partitions)) {
      offsets[partition] = Number(offset);
    }
  }
  assert(!offsets.includes(-1), "every partition has answered");
  return offsets;
}

export const endOffsetsOf = (cluster: Cluster, topic: string): Promise<number[]> =>
  listOffsets(cluster, topic, { timestamp: LATEST, isolationLevel: READ_UNCOMMITTED });

export const stableOffsetsOf = (cluster: Cluster, topic: string): Promise<number[]> =>
  listOffsets(cluster, topic, { timestamp: LATEST, isolationLevel: READ_COMMITTED });

export const lowOffsetsOf = (cluster: Cluster, topic: string): Promise<number[]> =>
  listOffsets(cluster, topic, { timestamp: EARLIEST, isolationLevel: READ_UNCOMMITTED });

export function byTopic<T extends TopicPartition, P>(
  items: readonly T[],
  make: (item: T) => P,
): { topic: string; partitions: P[] }[] {
  const topics = new Map<string, P[]>();
  for (const item of items) {
    const partitions = topics.get(item.topic) ?? [];
    partitions.push(make(item));
    topics.set(item.topic, partitions);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}

/** What a group has committed for these partitions, in their order. */
export async function fetchCommitted(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<CommittedOffset[]> {
  if (partitions.length === 0) return [];
  const coordinator = await cluster.findGroupCoordinator({ groupId });
  const topics = byTopic(partitions, ({ partition }) => ({ partition }));
  const { responses } = await coordinator.offsetFetch({ groupId, topics });
  const found = new Map<string, CommittedOffset>();
  for (const { topic, partitions: answered } of responses) {
    for (const { partition, offset, metadata } of answered) {
      const at = Number(offset);
      const committed = { topic, partition, offset: at < 0 ? null : at, metadata: metadata ?? "" };
      found.set(`${topic}/${partition}`, committed);
    }
  }
  return partitions.map(({ topic, partition }) => {
    const committed = found.get(`${topic}/${partition}`);
    assert(committed !== undefined, "the coordinator answers for every partition");
    return committed;
  });
}

/** Source: OffsetCommit from outside a group: no generation, no member. */
const NO_GENERATION = -1;

async function setCommitted(
  cluster: Cluster,
  groupId: string,
  offsets: readonly TopicPartitionOffset[],
): Promise<void> {
  const coordinator = await cluster.findGroupCoordinator({ groupId });
  await coordinator.offsetCommit({
    groupId,
    groupGenerationId: NO_GENERATION,
    memberId: "",
    topics: byTopic(offsets, ({ partition, offset }) => ({ partition, offset: String(offset) })),
  });
}

async function leaveGroup(cluster: Cluster, groupId: string, memberId: string): Promise<void> {
  const coordinator = await cluster.findGroupCoordinator({ groupId });
  try {
    await coordinator.leaveGroup({ groupId, memberId });
  } catch (error) {
    if ((error as { type?: string }).type !== "UNKNOWN_MEMBER_ID") throw error;
  }
}

type LibraryAdmin = import("kafkajs").Admin;

async function partitionCounts(
  admin: LibraryAdmin,
  topics: readonly string[],
): Promise<Map<string, number>> {
  const existing = new Set(await admin.listTopics());
  const known = topics.filter((topic) => existing.has(topic));
  if (known.length === 0) return new Map();
  const metadata = await admin.fetchTopicMetadata({ topics: known });
  return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
}

async function missingOf(
  admin: LibraryAdmin,
  specs: readonly TopicSpec[],
): Promise<readonly TopicSpec[]> {
  const existing = new Set(await admin.listTopics());
  return specs.filter(({ topic }) => !existing.has(topic));
}

/**
 * A topic that exists by now is no error: the answer to an earlier try may have been lost. Nor is one that the broker is
 * still busy with.
 */
async function create(admin: LibraryAdmin, specs: readonly TopicSpec[]): Promise<void> {
  const request = {
    timeout: CREATE_TIMEOUT_MS,
    waitForLeaders: false,
    topics: specs.map(({ topic, partitions, replicas, configs }) => ({
      topic,
      numPartitions: partitions,
      ...(replicas === undefined ? {} : { replicationFactor: replicas }),
      configEntries: Object.entries(configs ?? {}).map(([name, value]) => ({ name, value })),
    })),
  };
  try {
    await admin.createTopics(request);
  } catch (error) {
    const { errors } = error as { readonly errors?: readonly KafkajsError[] };
    if (!errors?.every(({ type }) => type !== undefined && UNDER_WAY.has(type))) throw error;
  }
}

/** Brokers learn of new topics a moment later; kafkajs's own wait takes the first "unknown topic" for final. */
async function areLed(admin: LibraryAdmin, specs: readonly TopicSpec[]): Promise<boolean> {
  try {
    const metadata = await admin.fetchTopicMetadata({ topics: specs.map(({ topic }) => topic) });
    const partitions = metadata.topics.flatMap((topic) => topic.partitions);
    return partitions.length > 0 && partitions.every(({ leader }) => leader >= 0);
  } catch (error) {
    if (!SOON_THERE.has((error as KafkajsError).type ?? "")) throw error;
    return false;
  }
}

/** Throws: VIG_BROKER_AWAY after LED_TIMEOUT_MS, with what `look` threw last, if it did. */
async function untilLed(look: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + LED_TIMEOUT_MS;
  let away = new VigError("VIG_BROKER_AWAY", { why: "new topics have no leader yet" });
  while (performance.now() < deadlineMs) {
    try {
      if (await look()) return;
    } catch (error) {
      if (!(error instanceof VigError && error.retry)) throw error;
      away = error;
    }
    await pause(LED_POLL_MS);
  }
  throw away;
}

async function ownConfigs(admin: LibraryAdmin, topic: string): Promise<ConfigEntries[]> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  });
  return resources.flatMap((resource) => resource.configEntries);
}

async function setTopicConfigs(
  admin: LibraryAdmin,
  topic: string,
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  const kept: Record<string, string> = {};
  for (const { configName, configValue, configSource } of await ownConfigs(admin, topic)) {
    if (Number(configSource) === kafkajs.ConfigSource.TOPIC_CONFIG) kept[configName] = configValue;
  }
  const entries = Object.entries({ ...kept, ...configs });
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: topic,
        configEntries: entries.map(([name, value]) => ({ name, value })),
      },
    ],
  });
}

/** By hand: kafkajs's own looks for leaders in metadata that it has not loaded. */
async function deleteRecords(
  cluster: Cluster,
  offsets: readonly TopicPartitionOffset[],
): Promise<void> {
  for (const { topic, partition, offset } of offsets) {
    await loadTopics(cluster, [topic]);
    const found = cluster
      .findTopicPartitionMetadata(topic)
      .find(({ partitionId }) => partitionId === partition);
    assert(found !== undefined, `${topic} has a partition ${partition}`);
    const leader = await cluster.findBroker({ nodeId: found.leader });
    await leader.deleteRecords({
      topics: [{ topic, partitions: [{ partition, offset: String(offset) }] }],
    });
  }
}

/** What a lost connection throws, and one that fell silent. */
const isLost = (error: unknown): boolean => {
  const { name } = rootOf(error);
  return name.startsWith("KafkaJSConnection") || name === "KafkaJSRequestTimeoutError";
};

/** The library's own admin, opened anew when its connection is lost: it would go on using a silent one for ever. */
class ByLibrary {
  private readonly open: () => LibraryAdmin;
  private admin: LibraryAdmin;

  constructor(open: () => LibraryAdmin) {
    this.open = open;
    this.admin = open();
  }

  /** A call that met a lost connection is made once more; errors become ours. */
  async call<R>(work: (admin: LibraryAdmin) => Promise<R>): Promise<R> {
    try {
      return await work(this.admin).catch(async (error: unknown) => {
        if (!isLost(error)) throw error;
        void this.admin.disconnect().catch(() => undefined);
        this.admin = this.open();
        await this.admin.connect();
        return work(this.admin);
      });
    } catch (error) {
      throw asVigError(error);
    }
  }
}

/** Throws: VIG_BROKER_AWAY when no broker answers. */
export async function openAdmin(client: KafkaClient): Promise<KafkaAdmin> {
  const library = new ByLibrary(() => client.kafkajs.admin());
  const cluster = client.cluster();
  const own = <R>(work: () => Promise<R>): Promise<R> => withRecovery(cluster, work);
  await library.call((admin) => admin.connect());
  await own(() => recoverCluster(cluster));
  return {
    partitionCounts: (topics) => library.call((admin) => partitionCounts(admin, topics)),
    // Each step is one that a lost connection may repeat.
    createTopics: async (specs) => {
      const missing = await library.call((admin) => missingOf(admin, specs));
      if (missing.length === 0) return [];
      await library.call((admin) => create(admin, missing));
      await untilLed(() => library.call((admin) => areLed(admin, missing)));
      return missing.map(({ topic }) => topic);
    },
    topicConfigs: async (topic) => {
      const entries = await library.call((admin) => ownConfigs(admin, topic));
      return Object.fromEntries(entries.map((entry) => [entry.configName, entry.configValue]));
    },
    setTopicConfigs: (topic, configs) =>
      library.call((admin) => setTopicConfigs(admin, topic, configs)),
    deleteTopics: (topics) => library.call((admin) => admin.deleteTopics({ topics: [...topics] })),
    deleteRecords: (offsets) => own(() => deleteRecords(cluster, offsets)),
    endOffsets: (topic) => own(() => endOffsetsOf(cluster, topic)),
    stableOffsets: (topic) => own(() => stableOffsetsOf(cluster, topic)),
    lowOffsets: (topic) => own(() => lowOffsetsOf(cluster, topic)),
    committed: (groupId, partitions) => own(() => fetchCommitted(cluster, groupId, partitions)),
    setCommitted: (groupId, offsets) => own(() => setCommitted(cluster, groupId, offsets)),
    leaveGroup: (groupId, memberId) => own(() => leaveGroup(cluster, groupId, memberId)),
    clusterId: async () => (await library.call((admin) => admin.describeCluster())).clusterId,
    close: async () => {
      await Promise.all([library.call((admin) => admin.disconnect()), closeCluster(cluster)]);
    },
  };
}
