import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import type { GroupConsumer, GroupConsumerOptions } from "../kafka/group-consumer.ts";
import type { FollowEvents, Following, FollowTarget } from "../kafka/lone-reader.ts";
import type { Commit, TransactionalProducer } from "../kafka/transactional-producer.ts";
import type { TopicPartitionOffset } from "../kafka/types.ts";
import type { Backend } from "../runtime/backend.ts";
import type { MemoryBroker } from "./memory-broker.ts";

/** Called before each I/O step; a test lets a step wait for ever (a death), for a while, or fail. */
export type Step = (name: string) => Promise<void>;

export interface MemoryBackendOptions {
  readonly step?: Step;
  /** Log entries a fetch; small ones make many commits. */
  readonly fetchRecords?: number;
  /** A planted fault: outputs are written outside of the transaction. */
  readonly torn?: boolean;
}

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The runtime's Kafka over a broker in memory, with every I/O step in a test's hand. */
export function memoryBackend(broker: MemoryBroker, options: MemoryBackendOptions = {}): Backend {
  const step: Step = options.step ?? later;
  const fetchRecords = options.fetchRecords ?? 1_000;
  const stops = new Set<() => void>();
  const offsetsOf = async (topic: string, of: "end" | "stable"): Promise<number[]> => {
    await step(`${of} offsets`);
    const partitions = broker.partitions(topic);
    if (partitions === undefined) throw new VigError("VIG_TOPIC_MISSING", { topic });
    return Array.from({ length: partitions }, (_, partition) => broker[of]({ topic, partition }));
  };
  return {
    admin: {
      clusterId: async () => broker.clusterId,
      partitionCounts: async (topics) =>
        new Map(
          topics.flatMap((topic) => {
            const count = broker.partitions(topic);
            return count === undefined ? [] : [[topic, count] as const];
          }),
        ),
      createTopics: async (specs) => {
        for (const { topic, partitions } of specs) broker.createTopic(topic, partitions);
        return specs.map(({ topic }) => topic);
      },
      endOffsets: (topic) => offsetsOf(topic, "end"),
      stableOffsets: (topic) => offsetsOf(topic, "stable"),
      lowOffsets: async (topic) =>
        (await offsetsOf(topic, "end")).map(
          (_, partition) => broker.lowWatermarks.get(`${topic}/${partition}`) ?? 0,
        ),
    },
    reader: {
      read: async ({ from, partition, to, topic }, onRecords) => {
        await step("read changelog");
        const at = { topic, partition };
        const end = to === "end" ? broker.end(at) : to;
        const first = from === "earliest" ? 0 : from;
        const { records } = broker.fetch(at, first, end - first);
        if (records.length > 0) onRecords(records, { position: end, end });
        return end;
      },
      follow: async (targets, on) => {
        const following = follow(broker, targets, on);
        stops.add(following.stop);
        return following;
      },
    },
    openTransactions: (transactionalId) =>
      transactionsOf(broker, transactionalId, step, options.torn === true),
    joinGroup: async (group) => {
      const consumer = new MemoryConsumer(broker, group, fetchRecords);
      stops.add(() => consumer.cut());
      return consumer;
    },
    close: async () => {
      for (const stop of stops) stop();
    },
  };
}

function follow(
  broker: MemoryBroker,
  targets: readonly FollowTarget[],
  on: FollowEvents,
): Following {
  const positions = new Map(targets.map((at) => [at, at.from === "earliest" ? 0 : at.from]));
  const stop = broker.watch(() => {
    for (const [at, position] of positions) {
      const chunk = broker.fetch(at, position, 1_000);
      positions.set(at, chunk.nextOffset);
      if (chunk.nextOffset === position) continue;
      on.records(
        chunk.records,
        { position: chunk.nextOffset, end: chunk.highWatermark },
        { topic: at.topic, partition: at.partition },
      );
    }
  });
  return { stop };
}

function transactionsOf(
  broker: MemoryBroker,
  transactionalId: string,
  anyStep: Step,
  torn: boolean,
): TransactionalProducer {
  let epoch = -1;
  const closing = Promise.withResolvers<never>();
  closing.promise.catch(() => undefined);
  const step: Step = (name) => Promise.race([anyStep(name), closing.promise]);
  return {
    init: async () => {
      await step("init producer");
      epoch = broker.initProducer(transactionalId);
      await step("producer initialised");
    },
    committed: async (groupId, partitions) => {
      await step("fetch offsets");
      return partitions.map((at) => ({ ...at, ...broker.committed(groupId, at) }));
    },
    commit: async ({ groupId, messages, offsets }: Commit) => {
      await step("begin");
      broker.begin(transactionalId, epoch);
      await step("write outputs and changelog");
      if (torn) {
        for (const { messages: list, topic } of messages) {
          for (const message of list) broker.produce(topic, message);
        }
      } else {
        broker.write(transactionalId, epoch, messages);
      }
      await step("add offsets");
      broker.addOffsets(transactionalId, epoch, { groupId, offsets });
      await step("end transaction");
      broker.commit(transactionalId, epoch);
      await step("transaction ended");
      return endsOf(broker, messages);
    },
    close: async () => {
      const why = "closed";
      closing.reject(new VigError("VIG_TRANSACTION_ABORTED", { transactionalId, why }));
    },
  };
}

/** Behind the marker that ended the transaction: nobody else writes to these partitions meanwhile. */
function endsOf(broker: MemoryBroker, messages: Commit["messages"]): TopicPartitionOffset[] {
  return messages.flatMap(({ messages: list, topic }) =>
    [...new Set(list.map(({ partition }) => partition))].map((partition) => ({
      topic,
      partition,
      offset: broker.end({ topic, partition }) - 1,
    })),
  );
}

/** A member that is given all partitions, and fetches in rounds of the event loop. */
class MemoryConsumer implements GroupConsumer {
  readonly memberId = "memory";
  private readonly broker: MemoryBroker;
  private readonly options: GroupConsumerOptions;
  private readonly fetchRecords: number;
  private readonly positions = new Map<string, TopicPartitionOffset & { told: number }>();
  private readonly unwatch: () => void;
  private scheduled = false;
  private stopped = false;

  constructor(broker: MemoryBroker, options: GroupConsumerOptions, fetchRecords: number) {
    this.broker = broker;
    this.options = options;
    this.fetchRecords = fetchRecords;
    this.unwatch = broker.watch(() => this.schedule());
    const partitions = broker.partitions(options.topics[0] ?? "") ?? 0;
    const added = Array.from({ length: partitions }, (_, partition) => partition);
    setImmediate(() => {
      if (!this.stopped) options.events.assigned({ added, kept: [], lost: [] });
    });
  }

  async begin(offsets: Parameters<GroupConsumer["begin"]>[0]): Promise<readonly number[]> {
    for (const { offset, partition, topic } of offsets) {
      assert(offset !== "earliest", "the runtime names its offsets");
      this.positions.set(`${topic}/${partition}`, { topic, partition, offset, told: -1 });
    }
    this.schedule();
    return offsets.map(({ offset }) => Number(offset));
  }

  drained(): void {
    this.schedule();
  }

  async stop(): Promise<void> {
    this.cut();
  }

  /** No more records, as after a death. */
  cut(): void {
    this.stopped = true;
    this.unwatch();
  }

  private schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      if (!this.stopped && this.round()) this.schedule();
    });
  }

  private round(): boolean {
    let moved = false;
    for (const [key, at] of this.positions) {
      if (this.options.events.bufferedBytes(at.topic, at.partition) > 100_000) continue;
      const { partition, topic } = at;
      const chunk = this.broker.fetch({ topic, partition }, at.offset, this.fetchRecords);
      if (chunk.nextOffset === at.offset && at.told === chunk.lastStableOffset) continue;
      const told = chunk.lastStableOffset;
      this.positions.set(key, { topic, partition, offset: chunk.nextOffset, told });
      this.options.events.chunk(chunk);
      moved = true;
    }
    return moved;
  }
}
