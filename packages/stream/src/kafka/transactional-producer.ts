import { assert } from "@vigie/core/assert";
import { messageOf, VigError } from "@vigie/core/errors";
import { type CommittedOffset, fetchCommitted } from "./admin.ts";
import {
  asVigError,
  closeCluster,
  type KafkaClient,
  loadTopics,
  openCluster,
  recoverCluster,
} from "./client.ts";
import type { Cluster } from "./internals.ts";
import { pause } from "./pause.ts";
import { toRounds, type Written } from "./sender.ts";
import { initEpoch, isFenced, TransactionalEpoch, type TransactionPlan } from "./transaction.ts";
import type { TopicMessages, TopicPartition, TopicPartitionOffset } from "./types.ts";

export interface TransactionalProducerOptions {
  readonly transactionalId: string;
  /** After this the broker rolls a forgotten transaction back. Default 15 s; 60 s is Kafka's. */
  readonly transactionTimeoutMs?: number;
  /** Told when the broker goes away or comes back while something waits for it. */
  readonly onBroker?: (up: boolean, why?: string) => void;
}

export interface Commit {
  readonly messages: readonly TopicMessages[];
  /** Next offsets of the inputs; may be empty. */
  readonly offsets: readonly TopicPartitionOffset[];
  readonly groupId: string;
}

/** One owner of a transactional id. Calls come one at a time. */
export interface TransactionalProducer {
  /**
   * Fences older owners of the id and ends what they left open, so that committed offsets and the ends of topics
   * read afterwards are final. Waits while the broker is away.
   */
  init(): Promise<void>;
  /**
   * What the group has committed for these partitions, in their order. Also what a later commit is measured by when
   * its outcome is in doubt, so ask for every partition whose offsets will be committed.
   */
  committed(groupId: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]>;
  /**
   * Writes messages and offsets in one transaction. Resolves once committed, with the offset behind the last record
   * of each partition written to. Waits and tries again while the broker is away: when the end of a transaction is
   * in doubt, it initialises again and learns the outcome from the stored offsets.
   * Throws: VIG_PRODUCER_FENCED when the id, or the group's offsets, have another owner; VIG_TRANSACTION_UNKNOWN
   * when the outcome cannot be learned; VIG_TRANSACTION_ABORTED when nothing was written (closed meanwhile, or the
   * broker refused a record: the cause says). After a throw the producer takes no more commits before init().
   */
  commit(commit: Commit): Promise<readonly TopicPartitionOffset[]>;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

const TRANSACTION_TIMEOUT_MS = 15_000;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 2_000;
const ABORT_TIMEOUT_MS = 500;

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

class Producer implements TransactionalProducer {
  private readonly client: KafkaClient;
  private readonly options: TransactionalProducerOptions;
  private cluster: Cluster | null = null;
  private epoch: TransactionalEpoch | null = null;
  private readonly baseline = new Map<string, CommittedOffset>();
  private commits = 0;
  private closed = false;
  private running: TransactionalEpoch | null = null;
  private up = true;

  constructor(client: KafkaClient, options: TransactionalProducerOptions) {
    this.client = client;
    this.options = options;
  }

  async init(): Promise<void> {
    for (let failures = 1; ; failures += 1) {
      try {
        await this.initOnce();
        this.tell(true);
        return;
      } catch (error) {
        await this.wait(error, failures);
      }
    }
  }

  async committed(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<CommittedOffset[]> {
    for (let failures = 1; ; failures += 1) {
      try {
        assert(this.cluster !== null, "init comes first");
        const found = await fetchCommitted(this.cluster, groupId, partitions);
        for (const offset of found) this.baseline.set(keyOf(offset), offset);
        this.tell(true);
        return found;
      } catch (error) {
        await this.wait(error, failures);
        const { cluster } = this;
        if (cluster !== null) await recoverCluster(cluster, error).catch(() => undefined);
      }
    }
  }

  async commit(commit: Commit): Promise<readonly TopicPartitionOffset[]> {
    assert(this.running === null, "one commit at a time");
    const rounds = toRounds(commit.messages);
    for (;;) {
      const epoch = this.epoch;
      if (epoch === null) throw this.aborted(new Error("the producer is not initialised"));
      this.commits += 1;
      const token = `${epoch.name}.${this.commits}`;
      const { offsets, groupId } = commit;
      const plan = { rounds, offsets, groupId, token };
      try {
        await this.attempt(epoch, plan);
        this.remember(plan);
        return ends(epoch.written);
      } catch (error) {
        if (error instanceof VigError && !error.retry) throw this.verdict(error);
        if (await this.settle(plan, error, epoch.endSent)) {
          this.remember(plan);
          return ends(epoch.written);
        }
      }
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    const { cluster, running } = this;
    this.epoch = null;
    this.cluster = null;
    if (running !== null && !running.endSent) {
      await Promise.race([running.abort().catch(() => undefined), pause(ABORT_TIMEOUT_MS)]);
    }
    if (cluster !== null) await closeCluster(cluster);
  }

  private async attempt(epoch: TransactionalEpoch, plan: TransactionPlan): Promise<void> {
    assert(this.cluster !== null, "an epoch has a cluster");
    this.running = epoch;
    try {
      const topics = [...new Set(plan.rounds.flat().map(({ topic }) => topic))];
      await loadTopics(this.cluster, topics);
      await epoch.run(plan);
      this.tell(true);
    } catch (error) {
      this.epoch = null;
      throw error;
    } finally {
      this.running = null;
    }
  }

  /** After a failure: a new epoch ends the old transaction, one way or the other. Returns whether it was committed. */
  private async settle(plan: TransactionPlan, error: unknown, endSent: boolean): Promise<boolean> {
    const { transactionalId } = this.options;
    const why = messageOf(error);
    this.client.log.warn({ transactionalId, why, endSent }, "kafka.transaction.in_doubt");
    if (this.closed) {
      throw endSent ? this.unknown(error) : this.aborted(error);
    }
    this.tell(false, why);
    const before = plan.offsets.map((offset) => this.baseline.get(keyOf(offset)));
    await this.init();
    const found = await this.committed(plan.groupId, plan.offsets);
    if (found.length === 0) {
      if (endSent) throw this.unknown(error);
      return false;
    }
    const isCommitted = found.every(({ metadata }) => metadata === plan.token);
    const isUntouched = found.every(
      ({ offset, metadata }, i) =>
        before[i] !== undefined && before[i].offset === offset && before[i].metadata === metadata,
    );
    const facts = { transactionalId, isCommitted, isUntouched, token: plan.token, before, found };
    this.client.log.warn(facts, "kafka.transaction.settled");
    if (isCommitted || isUntouched) return isCommitted;
    this.epoch = null;
    throw new VigError("VIG_PRODUCER_FENCED", { transactionalId }, { cause: error });
  }

  private remember({ offsets, token }: TransactionPlan): void {
    for (const offset of offsets) this.baseline.set(keyOf(offset), { ...offset, metadata: token });
  }

  private async initOnce(): Promise<void> {
    const { transactionalId, transactionTimeoutMs = TRANSACTION_TIMEOUT_MS } = this.options;
    this.epoch = null;
    await this.reopen();
    assert(this.cluster !== null, "a reopened producer has a cluster");
    const ids = await initEpoch(this.cluster, transactionalId, transactionTimeoutMs);
    this.epoch = new TransactionalEpoch(this.cluster, transactionalId, {
      ids,
      isClosed: () => this.closed,
      onAway: (why) => this.tell(false, why),
    });
  }

  private async reopen(): Promise<void> {
    const old = this.cluster;
    this.cluster = null;
    if (old !== null) await closeCluster(old);
    const cluster = await openCluster(this.client, []);
    if (this.closed) {
      await closeCluster(cluster);
      throw this.aborted(new Error("closed"));
    }
    this.cluster = cluster;
  }

  private async wait(error: unknown, failures: number): Promise<void> {
    if (this.closed) throw this.aborted(error);
    if (isFenced(error)) throw this.verdict(asVigError(error));
    const ours = asVigError(error);
    if (!ours.retry) throw ours;
    this.tell(false, ours.message);
    await pause(Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10)));
    if (this.closed) throw this.aborted(error);
  }

  private verdict(error: VigError): VigError {
    this.epoch = null;
    return error.code === "VIG_PRODUCER_FENCED" ? error : this.aborted(error);
  }

  private aborted(cause: unknown): VigError {
    const { transactionalId } = this.options;
    const why = messageOf(cause);
    return new VigError("VIG_TRANSACTION_ABORTED", { transactionalId, why }, { cause });
  }

  private unknown(cause: unknown): VigError {
    const { transactionalId } = this.options;
    const why = messageOf(cause);
    return new VigError("VIG_TRANSACTION_UNKNOWN", { transactionalId, why }, { cause });
  }

  private tell(up: boolean, why?: string): void {
    if (up === this.up) return;
    this.up = up;
    this.options.onBroker?.(up, why);
  }
}

/** The offset behind the last record of each partition written to; a marker of the transaction follows it. */
function ends(written: readonly Written[]): TopicPartitionOffset[] {
  const last = new Map<string, TopicPartitionOffset>();
  for (const { topic, partition, baseOffset, count } of written) {
    if (baseOffset < 0) continue;
    const offset = baseOffset + count;
    const known = last.get(`${topic}/${partition}`)?.offset ?? -1;
    if (offset > known) last.set(`${topic}/${partition}`, { topic, partition, offset });
  }
  return [...last.values()];
}

/** Opens nothing yet: init() does. */
export function openTransactionalProducer(
  client: KafkaClient,
  options: TransactionalProducerOptions,
): TransactionalProducer {
  return new Producer(client, options);
}
