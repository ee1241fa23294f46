import type { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import type { GroupConsumer } from "../kafka/group-consumer.ts";
import type { StreamObserver } from "../observer.ts";
import type { AnyProcessor } from "../processor.ts";
import type { StateStore } from "../state/store.ts";
import type { Backend } from "./backend.ts";
import type { EndsReader } from "./ends.ts";
import type { GlobalTables } from "./global-tables.ts";
import type { Names } from "./names.ts";

/** Limits and times of a task; see runtime.ts for what each is for. */
export interface TaskLimits {
  readonly maxTaskIdleMs: number;
  readonly cacheEntriesMax: number;
  readonly commitRecordsMax: number;
  readonly commitIntervalMs: number;
  readonly commitPauseMs: number;
  readonly processingError: "stop" | "dlq";
}

/** What the tasks of one member share. */
export interface TaskHost {
  readonly processor: AnyProcessor;
  readonly names: Names;
  readonly backend: Backend;
  readonly group: () => GroupConsumer;
  readonly openStore: (partition: number) => Promise<StateStore>;
  readonly globals: Pick<GlobalTables, "lookup" | "hasMark" | "changeAfter" | "onChange">;
  readonly ends: EndsReader;
  readonly limits: TaskLimits;
  readonly clusterId: string;
  /** Of any topic of the processor, by catalogue name. */
  readonly partitionsOf: (topic: string) => number;
  /** Inputs that do not exist, by catalogue name. */
  readonly absent: ReadonlySet<string>;
  readonly log: Logger;
  readonly observer: StreamObserver;
  readonly clock: Clock;
  /** A task has ended by an error that a retry cannot heal. */
  readonly failed: (partition: number, error: VigError) => void;
}
