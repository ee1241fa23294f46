import { assert } from "@vigie/core/assert";
import { messageOf, VigError } from "@vigie/core/errors";
import type { TransactionalProducer } from "../kafka/transactional-producer.ts";
import type { OutgoingMessage, TopicMessages } from "../kafka/types.ts";
import type { StateStore } from "../state/store.ts";
import type { CommitPlan } from "../task/commit-plan.ts";
import { needsALook } from "../task/tally.ts";
import type { Task } from "../task/task.ts";
import type { TaskHost } from "./task-host.ts";
import type { OpenedTask } from "./task-opening.ts";

/**
 * Carries a task's plans out, one at a time while the task goes on: a transaction with outputs, changelog and
 * offsets, then one write of the store. A commit that failed ends the committer: nobody knows whether it took
 * effect, so the task is opened anew and finds out.
 */
export class Committer {
  private readonly host: TaskHost;
  private readonly partition: number;
  private readonly store: StateStore;
  private readonly transactions: TransactionalProducer;
  private readonly onSettled: () => void;
  private readonly inputOffsets: Record<string, number>;
  private changelogOffset: number;
  private running: Promise<void> | null = null;
  private failure: VigError | null = null;

  constructor(
    host: TaskHost,
    partition: number,
    store: StateStore,
    opened: OpenedTask,
    onSettled: () => void,
  ) {
    this.host = host;
    this.partition = partition;
    this.store = store;
    this.transactions = opened.transactions;
    this.changelogOffset = opened.changelogOffset;
    this.inputOffsets = { ...opened.inputOffsets };
    this.onSettled = onSettled;
  }

  /** Whether a commit has succeeded. */
  proven = false;

  get busy(): boolean {
    return this.running !== null;
  }

  start(task: Task, processMs: number): void {
    assert(this.running === null && this.failure === null, "commits follow one another");
    this.running = this.commit(task, task.plan(), processMs)
      .catch((thrown: unknown) => {
        this.failure = asVigError(thrown);
      })
      .finally(() => {
        this.running = null;
        this.onSettled();
      });
  }

  /** Resolves when no commit is under way, however it went. */
  async settled(): Promise<void> {
    await this.running;
  }

  throwIfFailed(): void {
    if (this.failure !== null) throw this.failure;
  }

  async close(): Promise<void> {
    await this.running;
    await this.transactions.close();
  }

  private async commit(task: Task, plan: CommitPlan, processMs: number): Promise<void> {
    const { host, partition } = this;
    const startedMs = performance.now();
    const { names } = host;
    const offsets = plan.offsets.map(({ topic, offset }) => ({
      topic: names.physical(topic),
      partition,
      offset,
    }));
    const messages = this.messagesOf(plan);
    const ends = await this.transactions.commit({ messages, offsets, groupId: names.groupId });
    this.proven = true;
    // Told now: whatever becomes of the local store, the records are done with.
    this.tell(plan, processMs, performance.now() - startedMs);
    const end = ends.find(({ topic }) => topic === names.changelog)?.offset;
    // Behind the transaction's marker, which nobody else's record can precede: this task alone writes here.
    if (end !== undefined) this.changelogOffset = end + 1;
    // Unknown after a send that was repeated: at least one record further on for each change.
    else this.changelogOffset += plan.changelog.size;
    for (const { topic, offset } of plan.offsets) this.inputOffsets[topic] = offset;
    await this.store.write(plan.changelog, {
      clusterId: host.clusterId,
      changelogOffset: this.changelogOffset,
      inputOffsets: { ...this.inputOffsets },
      writtenAtMs: host.clock(),
    });
    task.landed();
  }

  private messagesOf(plan: CommitPlan): TopicMessages[] {
    const { names } = this.host;
    const groups = new Map<string, { topic: string; messages: OutgoingMessage[]; gzip: boolean }>();
    for (const { topic, compress, ...message } of plan.outputs) {
      let group = groups.get(topic);
      if (group === undefined) {
        group = { topic: names.physical(topic), messages: [], gzip: compress === true };
        groups.set(topic, group);
      }
      group.messages.push(message);
    }
    const all: TopicMessages[] = [...groups.values()].map(({ topic, messages, gzip }) => ({
      topic,
      messages,
      compression: gzip ? "gzip" : "none",
    }));
    if (plan.changelog.size > 0) {
      const messages: OutgoingMessage[] = [];
      const { partition } = this;
      // Not by for…of, which makes an array of each pair.
      plan.changelog.forEach((value, key) => {
        messages.push({ partition, key, value });
      });
      all.push({ topic: names.changelog, messages });
    }
    return all;
  }

  private tell(plan: CommitPlan, processMs: number, commitMs: number): void {
    const { host, partition } = this;
    const { emitted, tally } = plan;
    if (needsALook(tally)) {
      const { dlq, dropped } = tally;
      host.log.warn({ partition, dlq, dropped }, "records.refused");
    }
    const processor = host.processor.name;
    host.observer.committed({ processor, partition, tally, processMs, commitMs, emitted });
  }
}

const asVigError = (thrown: unknown): VigError =>
  thrown instanceof VigError
    ? thrown
    : new VigError("VIG_INVARIANT", { what: `a commit: ${messageOf(thrown)}` }, { cause: thrown });
