import { assert } from "@vigie/core/assert";
import { messageOf, VigError } from "@vigie/core/errors";
import { type Acknowledged, acknowledged, missingOf } from "./acknowledged.ts";
import { type CommittedOffset, fetchCommitted } from "./admin.ts";
import {
  asVigError,
  closeCluster,
  type KafkaClient,
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
  /** A step of a commit that takes longer gives the whole attempt up. Default 10 s. */
  readonly stepTimeoutMs?: number;
  /** Told when the broker goes away or comes back while something waits for it. */
  readonly onBroker?: (up: boolean, why?: string) => void;
}

export interface Commit {
  readonly messages: readonly TopicMessages[];
  /** Next offsets of the inputs; may be empty. */
  readonly offsets: readonly TopicPartitionOffset[];
  readonly groupId: string;
}

/** Where records or offsets of an earlier owner may still be undecided. */
export interface LeftOpen {
  readonly partitions: readonly TopicPartition[];
  readonly groupId: string;
}

/** One owner of a transactional id. Calls come one at a time. */
export interface TransactionalProducer {
  /**
   * Fences older owners of the id and ends what they left open, so that committed offsets and the ends of topics
   * read afterwards are final; in these partitions, and for this group, also what a broker forgot to end.
   * Waits while the broker is away.
   */
  init(left?: LeftOpen): Promise<void>;
  /**
   * What the group has committed for these partitions, in their order. Also what a later commit is measured by when
   * its outcome is in doubt, so ask for every partition whose offsets will be committed.
   */
  committed(groupId: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]>;
  /**
   * Writes messages and offsets in one transaction. Resolves once committed, with the offset behind the last record
   * of each partition written to. Waits and tries again while the broker is away. When it comes back, this commit and
   * the one before, which it had acknowledged, are looked for and what is missing of them is written again.
   * Throws: VIG_PRODUCER_FENCED when the id, or the group's offsets, have another owner; VIG_TRANSACTION_UNKNOWN
   * when the outcome cannot be learned; VIG_TRANSACTION_ABORTED when nothing was written (closed meanwhile, or the
   * broker refused a record: the cause says). After a throw the producer takes no more commits before init().
   */
  commit(commit: Commit): Promise<readonly TopicPartitionOffset[]>;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

const TRANSACTION_TIMEOUT_MS = 15_000;
const STEP_TIMEOUT_MS = 10_000;
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
  /** The last commit that the broker has acknowledged. */
  private last: Acknowledged | null = null;

  constructor(client: KafkaClient, options: TransactionalProducerOptions) {
    this.client = client;
    this.options = options;
  }

  async init(left?: LeftOpen): Promise<void> {
    for (let failures = 1; ; failures += 1) {
      try {
        await this.initOnce(left);
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
      const written = await this.attempt(epoch, plan);
      if (written === null) continue;
      this.last = acknowledged(plan, written);
      for (const offset of offsets) {
        this.baseline.set(keyOf(offset), { ...offset, metadata: token });
      }
      return ends(written);
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

  /** Returns what was written, or null when nothing was and the commit has to be tried again. */
  private async attempt(
    epoch: TransactionalEpoch,
    plan: TransactionPlan,
  ): Promise<readonly Written[] | null> {
    this.running = epoch;
    try {
      await epoch.run(plan);
      this.tell(true);
      return epoch.written;
    } catch (error) {
      this.epoch = null;
      if (error instanceof VigError && !error.retry) throw this.verdict(error);
      return await this.settle(plan, error, epoch);
    } finally {
      this.running = null;
    }
  }

  /** After a failure: a new epoch ends the old transaction, one way or the other, and what is missing is made good. */
  private async settle(
    plan: TransactionPlan,
    error: unknown,
    { endSent, written }: TransactionalEpoch,
  ): Promise<readonly Written[] | null> {
    const { transactionalId } = this.options;
    const why = messageOf(error);
    this.client.log.warn({ transactionalId, why, endSent }, "kafka.transaction.in_doubt");
    if (this.closed) throw endSent ? this.unknown(error) : this.aborted(error);
    this.tell(false, why);
    const doubtful = endSent ? acknowledged(plan, written) : null;
    for (let failures = 1; ; failures += 1) {
      try {
        await this.init();
        const isCommitted = await this.makeGood(plan, doubtful);
        this.client.log.warn({ transactionalId, isCommitted }, "kafka.transaction.settled");
        return isCommitted ? written : null;
      } catch (again) {
        if (again instanceof VigError && !again.retry) throw this.verdict(again);
        await this.wait(again, failures);
      }
    }
  }

  /**
   * A broker that loses its leaders may acknowledge a commit and then leave its end out of some partitions
   * (docs/decisions/0006), so neither the last commit nor this one is believed unseen. Returns whether this one holds.
   */
  private async makeGood(plan: TransactionPlan, doubtful: Acknowledged | null): Promise<boolean> {
    const { epoch, last } = this;
    assert(epoch !== null, "an initialised producer has an epoch");
    const partitions = [...plan.rounds.flat(), ...(last?.batches ?? [])];
    await epoch.rollBack(partitions, plan.offsets.length === 0 ? null : plan.groupId);
    if (last !== null) await this.complete(last, await missingOf(this.client, last), plan.token);
    const found = await this.found(plan, plan.token);
    if (doubtful === null) return false;
    const isSeen = found.some(({ metadata }) => metadata === plan.token);
    const missing = await missingOf(this.client, doubtful);
    if (!isSeen && missing.length === doubtful.batches.length) return false;
    await this.complete(doubtful, missing, plan.token);
    return true;
  }

  /**
   * Writes what is missing of a commit; its offsets may have been overtaken by those of `laterToken`.
   * Throws: VIG_PRODUCER_FENCED when somebody else has committed since.
   */
  private async complete(
    commit: Acknowledged,
    missing: readonly Acknowledged["batches"][number][],
    laterToken: string,
  ): Promise<void> {
    const { epoch } = this;
    assert(epoch !== null, "an initialised producer has an epoch");
    const { transactionalId } = this.options;
    const found = await this.found(commit, laterToken);
    const isOurs = found.every(
      ({ metadata }) => metadata === commit.token || metadata === laterToken,
    );
    if (isOurs && missing.length === 0) return;
    const facts = { transactionalId, batches: missing.length, offsets: !isOurs };
    this.client.log.error(facts, "kafka.transaction.done_again");
    const rounds = missing.map((batch) => [batch]);
    const { groupId, offsets, token } = commit;
    try {
      await epoch.run({ rounds, offsets: isOurs ? [] : offsets, groupId, token });
    } finally {
      epoch.written.forEach(({ baseOffset }, at) => {
        missing[at]?.baseOffsets.push(baseOffset);
      });
    }
  }

  /**
   * The group's offsets now: ours, or older ones when a commit was lost.
   * Throws: VIG_PRODUCER_FENCED when somebody else has committed since.
   */
  private async found(
    { groupId, offsets }: Pick<TransactionPlan, "groupId" | "offsets">,
    laterToken: string,
  ): Promise<CommittedOffset[]> {
    assert(this.cluster !== null, "an initialised producer has a cluster");
    const found = await fetchCommitted(this.cluster, groupId, offsets);
    for (const now of found) {
      const ours = this.baseline.get(keyOf(now));
      const isKnown = now.metadata === laterToken || now.metadata === ours?.metadata;
      if (isKnown || (now.offset ?? -1) < (ours?.offset ?? -1)) continue;
      throw new VigError("VIG_PRODUCER_FENCED", { transactionalId: this.options.transactionalId });
    }
    return found;
  }

  private async initOnce(left: LeftOpen | undefined): Promise<void> {
    const { transactionalId, transactionTimeoutMs = TRANSACTION_TIMEOUT_MS } = this.options;
    this.epoch = null;
    await this.reopen();
    assert(this.cluster !== null, "a reopened producer has a cluster");
    const ids = await initEpoch(this.cluster, transactionalId, transactionTimeoutMs);
    const epoch = new TransactionalEpoch(this.cluster, transactionalId, {
      ids,
      stepTimeoutMs: this.options.stepTimeoutMs ?? STEP_TIMEOUT_MS,
      isClosed: () => this.closed,
      onAway: (why) => this.tell(false, why),
    });
    if (left !== undefined) await epoch.rollBack(left.partitions, left.groupId);
    this.epoch = epoch;
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
