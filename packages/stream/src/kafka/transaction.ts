import { messageOf, VigError } from "@vigie/core/errors";
import { byTopic } from "./admin.ts";
import { loadTopics, recoverCluster } from "./client.ts";
import {
  type Broker,
  type Cluster,
  COORDINATOR_OF_GROUP,
  COORDINATOR_OF_TRANSACTION,
  type KafkajsError,
} from "./internals.ts";
import { pause } from "./pause.ts";
import { type EncodedBatch, type PartitionBatch, RecordSender, type Written } from "./sender.ts";
import type { TopicPartition, TopicPartitionOffset } from "./types.ts";

/** The coordinator still ends the last transaction; it takes a few ms. Source: DESIGN, measured. */
const CONCURRENT_STEP_MS = 5;
const RETRY_MS = 50;
/** Trouble that lasts longer is told. */
const REPORT_MS = 500;

const CONCURRENT = new Set(["CONCURRENT_TRANSACTIONS"]);
/** The coordinator is somewhere else, or not ready yet. */
const MOVING = new Set([
  "NOT_COORDINATOR_FOR_GROUP",
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "GROUP_LOAD_IN_PROGRESS",
]);
const FENCED = new Set(["INVALID_PRODUCER_EPOCH", "INVALID_PRODUCER_ID_MAPPING"]);
/** Source: Kafka protocol, PRODUCER_FENCED; kafkajs does not know it and puts it into the message. */
const FENCED_CODE_TEXT = "error code 90";
/** The producer cannot go on, but another one may: INVALID_TXN_STATE follows a transaction that timed out. */
const SPENT = new Set(["INVALID_TXN_STATE", "UNKNOWN_PRODUCER_ID", "OUT_OF_ORDER_SEQUENCE_NUMBER"]);

export function isFenced(error: unknown): boolean {
  const { type = "", message } = error as KafkajsError;
  return FENCED.has(type) || message.includes(FENCED_CODE_TEXT);
}

export interface TransactionPlan {
  readonly rounds: readonly (readonly (PartitionBatch | EncodedBatch)[])[];
  readonly offsets: readonly TopicPartitionOffset[];
  readonly groupId: string;
  /** Stored with the offsets: tells afterwards whose commit they are. */
  readonly token: string;
}

/** One epoch of a transactional producer: its id, its sequences, its coordinators. Of no use after a failure. */
export class TransactionalEpoch {
  private readonly cluster: Cluster;
  private readonly transactionalId: string;
  private readonly sender: RecordSender;
  private readonly ids: { readonly producerId: string; readonly producerEpoch: number };
  private readonly coordinators = new Map<string, Broker>();
  private readonly stepTimeoutMs: number;
  private readonly isClosed: () => boolean;
  private readonly onAway: (why: string) => void;
  /** Whether the end of the transaction was asked for: from then on its outcome may be unknown. */
  endSent = false;
  /** What the last transaction wrote, once all of it is acknowledged. */
  written: readonly Written[] = [];

  constructor(
    cluster: Cluster,
    transactionalId: string,
    about: {
      readonly ids: { readonly producerId: string; readonly producerEpoch: number };
      readonly stepTimeoutMs: number;
      readonly isClosed: () => boolean;
      readonly onAway: (why: string) => void;
    },
  ) {
    this.cluster = cluster;
    this.transactionalId = transactionalId;
    this.ids = about.ids;
    this.stepTimeoutMs = about.stepTimeoutMs;
    this.isClosed = about.isClosed;
    this.onAway = about.onAway;
    this.sender = new RecordSender(cluster, {
      producerId: Number(about.ids.producerId),
      producerEpoch: about.ids.producerEpoch,
      transactionalId,
      onAway: about.onAway,
    });
  }

  get name(): string {
    return `${this.ids.producerId}.${this.ids.producerEpoch}`;
  }

  /** Partitions, records beside offsets, end. Throws when any step fails; nothing is committed unless `endSent`. */
  async run(plan: TransactionPlan): Promise<void> {
    this.endSent = false;
    this.written = [];
    const partitions = await this.addPartitions(plan.rounds.flat());
    const [written, offsets] = await Promise.allSettled([
      this.write(plan.rounds),
      plan.offsets.length === 0 ? null : this.sendOffsets(plan),
    ]);
    if (written.status === "rejected") throw written.reason;
    if (offsets.status === "rejected") throw offsets.reason;
    this.written = written.value;
    if (partitions > 0 || plan.offsets.length > 0) await this.end(true);
  }

  /**
   * Ends what a broker left undecided: an empty transaction over these partitions, and the group's offsets, whose
   * abort decides over every open record of this producer there. Those that are decided stay as they are.
   */
  async rollBack(partitions: readonly TopicPartition[], groupId: string | null): Promise<void> {
    const added = await this.addPartitions(partitions);
    if (groupId !== null) await this.addOffsets(groupId);
    if (added > 0 || groupId !== null) await this.end(false);
    this.endSent = false;
  }

  /** Best effort, so that readers need not wait for the transaction's time-out. */
  async abort(): Promise<void> {
    const coordinator = await this.coordinator(COORDINATOR_OF_TRANSACTION, this.transactionalId);
    await coordinator.endTxn({ ...this.identity(), transactionResult: false });
  }

  /** Returns how many there are. */
  private async addPartitions(among: readonly TopicPartition[]): Promise<number> {
    const distinct = new Map(among.map((at) => [`${at.topic}/${at.partition}`, at]));
    if (distinct.size === 0) return 0;
    const topics = byTopic([...distinct.values()], ({ partition }) => partition);
    await loadTopics(
      this.cluster,
      topics.map(({ topic }) => topic),
    );
    await this.step(COORDINATOR_OF_TRANSACTION, this.transactionalId, (coordinator) =>
      coordinator.addPartitionsToTxn({ ...this.identity(), topics }),
    );
    return distinct.size;
  }

  private async write(rounds: TransactionPlan["rounds"]): Promise<Written[]> {
    const written: Written[] = [];
    for (const round of rounds)
      written.push(...(await this.sender.send(round, this.stepTimeoutMs)));
    return written;
  }

  private async addOffsets(groupId: string): Promise<void> {
    await this.step(COORDINATOR_OF_TRANSACTION, this.transactionalId, (coordinator) =>
      coordinator.addOffsetsToTxn({ ...this.identity(), groupId }),
    );
  }

  private async sendOffsets({ groupId, offsets, token }: TransactionPlan): Promise<void> {
    await this.addOffsets(groupId);
    const topics = byTopic(offsets, ({ partition, offset }) => ({
      partition,
      offset: String(offset),
      metadata: token,
    }));
    await this.step(COORDINATOR_OF_GROUP, groupId, (coordinator) =>
      coordinator.txnOffsetCommit({ ...this.identity(), groupId, topics }),
    );
  }

  /** May be sent again: the coordinator answers the same as long as no other transaction began. */
  private async end(commit: boolean): Promise<void> {
    this.endSent = true;
    await this.step(COORDINATOR_OF_TRANSACTION, this.transactionalId, (coordinator) =>
      coordinator.endTxn({ ...this.identity(), transactionResult: commit }),
    );
  }

  private identity() {
    return { transactionalId: this.transactionalId, ...this.ids };
  }

  private async coordinator(type: number, of: string): Promise<Broker> {
    const key = `${type}/${of}`;
    const known = this.coordinators.get(key);
    if (known?.isConnected() === true) return known;
    const found = await this.cluster.findGroupCoordinator({ groupId: of, coordinatorType: type });
    this.coordinators.set(key, found);
    return found;
  }

  private async step(
    type: number,
    of: string,
    work: (coordinator: Broker) => Promise<unknown>,
  ): Promise<void> {
    const deadlineMs = Date.now() + this.stepTimeoutMs;
    for (;;) {
      try {
        await work(await this.coordinator(type, of));
        return;
      } catch (error) {
        await this.afterFailure(error, deadlineMs);
      }
    }
  }

  /** Returns when the step may be tried again. */
  private async afterFailure(error: unknown, deadlineMs: number): Promise<void> {
    const { type = "" } = error as KafkajsError;
    if (isFenced(error)) {
      const { transactionalId } = this;
      throw new VigError("VIG_PRODUCER_FENCED", { transactionalId }, { cause: error });
    }
    if (error instanceof VigError || SPENT.has(type) || type.endsWith("AUTHORIZATION_FAILED")) {
      throw error;
    }
    if (Date.now() >= deadlineMs || this.isClosed()) throw error;
    if (CONCURRENT.has(type)) return pause(CONCURRENT_STEP_MS);
    if (Date.now() >= deadlineMs - this.stepTimeoutMs + REPORT_MS) this.onAway(messageOf(error));
    this.coordinators.clear();
    await pause(RETRY_MS);
    await recoverCluster(this.cluster, error).catch(() => undefined);
  }
}

/** Fences older owners of the id and ends their transaction; resolves once its outcome is settled. */
export async function initEpoch(
  cluster: Cluster,
  transactionalId: string,
  timeoutMs: number,
): Promise<{ readonly producerId: string; readonly producerEpoch: number }> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    try {
      const coordinator = await cluster.findGroupCoordinator({
        groupId: transactionalId,
        coordinatorType: COORDINATOR_OF_TRANSACTION,
      });
      return await coordinator.initProducerId({ transactionalId, transactionTimeout: timeoutMs });
    } catch (error) {
      const { type = "" } = error as KafkajsError;
      const soon = CONCURRENT.has(type);
      if ((!soon && !MOVING.has(type)) || Date.now() >= deadlineMs) throw error;
      await pause(soon ? CONCURRENT_STEP_MS : RETRY_MS);
    }
  }
}
