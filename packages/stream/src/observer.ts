import type { VigCode } from "@vigie/core/catalogue";
import type { DropReason } from "@vigie/core/outcome";

/** Outcomes of records since the last commit. Told after the commit, so a retried batch counts once. */
export interface Tally {
  consumed: number;
  ok: number;
  redirected: number;
  readonly dropped: Partial<Record<DropReason, number>>;
  readonly dlq: Partial<Record<VigCode, number>>;
}

/** What a task tells of itself; service-kit makes metrics and health of it. Every method is cheap and never throws. */
export interface StreamObserver {
  committed(event: {
    readonly processor: string;
    readonly partition: number;
    readonly tally: Tally;
    readonly processMs: number;
    readonly commitMs: number;
    readonly emitted: Readonly<Record<string, number>>;
  }): void;
  /** Records between the committed offset and the end, per topic and partition. */
  lag(event: {
    readonly topic: string;
    readonly partition: number;
    readonly records: number;
  }): void;
  restoring(event: {
    readonly partition: number;
    readonly done: number;
    readonly total: number;
  }): void;
  /** The part's connection state, for health: broker, registry. */
  dependency(event: {
    readonly name: "kafka" | "registry";
    readonly up: boolean;
    readonly why?: string;
  }): void;
  /** How many partitions the group gave this member; one that has none is well, too. */
  assigned?(event: { readonly partitions: number }): void;
  task(event: {
    readonly partition: number;
    readonly state: "restoring" | "running" | "stopped" | "failed";
  }): void;
}
