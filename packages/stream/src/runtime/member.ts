import { assert } from "@vigie/core/assert";
import type { VigError } from "@vigie/core/errors";
import type { AssignmentChange, GroupConsumer, GroupEvents } from "../kafka/group-consumer.ts";
import type { FetchedChunk } from "../kafka/types.ts";
import type { TaskHost } from "./task-host.ts";
import { TaskRunner } from "./task-runner.ts";

const LAG_INTERVAL_MS = 1_000;

/** The tasks of one member of the group, as rebalances give and take them. */
export class Member {
  private readonly host: TaskHost;
  private readonly inputs: ReadonlyMap<string, string>;
  private readonly runners = new Map<number, TaskRunner>();
  /** Runners that still let go of a partition: the next one waits, since a store has one owner. */
  private readonly leaving = new Map<number, Promise<void>>();
  private readonly lagTimer: NodeJS.Timeout;
  /** Partitions of this member whose runner has yet to be started. */
  private readonly waiting = new Set<number>();
  private group: GroupConsumer | null = null;
  private stopped = false;

  constructor(makeHost: (group: () => GroupConsumer) => TaskHost) {
    this.host = makeHost(() => {
      assert(this.group !== null, "tasks run in a group");
      return this.group;
    });
    const { names, processor } = this.host;
    this.inputs = new Map(processor.inputs.map(({ topic }) => [names.physical(topic), topic]));
    this.lagTimer = setInterval(() => this.tellLag(), LAG_INTERVAL_MS);
    this.lagTimer.unref();
  }

  /** What the group tells; `failed` is the caller's matter. */
  events(failed: (error: VigError) => void): GroupEvents {
    const { observer } = this.host;
    return {
      assigned: (change) => this.assign(change),
      chunk: (chunk) => this.feed(chunk),
      bufferedBytes: (topic, partition) =>
        this.runners.get(partition)?.bufferedBytes(this.inputs.get(topic) ?? "") ?? 0,
      broker: (up, why) =>
        observer.dependency({ name: "kafka", up, ...(why === undefined ? {} : { why }) }),
      failed,
    };
  }

  /** The member once it has joined; no task is started before. */
  joined(group: GroupConsumer): void {
    this.group = group;
    this.startWaiting();
  }

  /** Commits what was processed. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.lagTimer);
    await Promise.all([...this.runners.values()].map((runner) => runner.stop()));
    await Promise.all(this.leaving.values());
  }

  private assign({ added, kept, lost }: AssignmentChange): void {
    if (this.stopped) return;
    const { log, observer } = this.host;
    log.info({ added, kept, lost }, "group.assigned");
    observer.assigned?.({ partitions: added.length + kept.length });
    for (const partition of lost) {
      this.waiting.delete(partition);
      this.letGo(partition);
    }
    for (const partition of added) this.waiting.add(partition);
    this.startWaiting();
  }

  private letGo(partition: number): void {
    const runner = this.runners.get(partition);
    if (runner === undefined) return;
    this.runners.delete(partition);
    const left = runner.abandon().finally(() => {
      this.leaving.delete(partition);
      this.startWaiting();
    });
    this.leaving.set(partition, left);
  }

  private startWaiting(): void {
    if (this.group === null || this.stopped) return;
    for (const partition of this.waiting) {
      if (this.leaving.has(partition)) continue;
      this.waiting.delete(partition);
      this.runners.set(partition, new TaskRunner(this.host, partition));
    }
  }

  private feed(chunk: FetchedChunk): void {
    const topic = this.inputs.get(chunk.topic);
    if (topic !== undefined) this.runners.get(chunk.partition)?.feed(topic, chunk);
  }

  private tellLag(): void {
    const { names, observer } = this.host;
    for (const [partition, runner] of this.runners) {
      for (const { records, topic } of runner.lag()) {
        observer.lag({ topic: names.physical(topic), partition, records });
      }
    }
  }
}
