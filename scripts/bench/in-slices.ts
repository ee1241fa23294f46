import { assert } from "@vigie/core/assert";
import type { BenchStack } from "./bench-stack.ts";
import { committedRecords, Progress, type Timed } from "./detector-run.ts";
import type { ServiceProcess } from "./processes.ts";

/** Short beside what slows a shared machine, long beside a commit. A group waits 10 s for a member that stands still. */
const SLICE_MS = 200;
const DEADLINE_MS = 1_800_000;

/** A detector that has been started, and where it works. */
export interface Running {
  readonly service: ServiceProcess;
  readonly prefix: string;
}

export interface SlicedRun extends Timed {
  readonly cpuSeconds: number;
  readonly rssAnonMiB: number;
}

/**
 * Lets detectors run in turn, for a slice each while the others stand still, until each has committed so many events: what
 * slows the machine slows all of them alike, so that their ratio holds where single runs differ by a half. Times are
 * those in which a detector was let run. All run on when it ends, well or not.
 */
export async function runInSlices(
  servers: BenchStack,
  all: readonly Running[],
  events: number,
): Promise<readonly SlicedRun[]> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  const sliced = all.map((running) => new Sliced(servers, running, events));
  for (const each of sliced) each.hold();
  try {
    while (sliced.some(({ run }) => run === null)) {
      assert(performance.now() < deadlineMs, "the detectors consume everything in time");
      for (const each of sliced) if (each.run === null) await each.slice();
    }
  } finally {
    for (const each of sliced) each.letGo();
  }
  return sliced.flatMap(({ run }) => run ?? []);
}

class Sliced {
  run: SlicedRun | null = null;
  private readonly servers: BenchStack;
  private readonly running: Running;
  private readonly progress: Progress;
  private ranMs = 0;

  constructor(servers: BenchStack, running: Running, events: number) {
    this.servers = servers;
    this.running = running;
    this.progress = new Progress(events);
  }

  hold(): void {
    this.running.service.child.kill("SIGSTOP");
  }

  letGo(): void {
    this.running.service.child.kill("SIGCONT");
  }

  async slice(): Promise<void> {
    const { child } = this.running.service;
    const startedMs = performance.now();
    this.letGo();
    await new Promise((resolve) => setTimeout(resolve, SLICE_MS));
    this.hold();
    this.ranMs += performance.now() - startedMs;
    assert(child.exitCode === null && child.signalCode === null, "a detector that is timed runs");
    const count = await committedRecords(this.servers, this.running.prefix);
    if (this.progress.note(count, this.ranMs)) this.run = await this.ended();
  }

  private async ended(): Promise<SlicedRun> {
    const { service } = this.running;
    return {
      ...this.progress.figures(),
      cpuSeconds: await service.cpuSeconds(),
      rssAnonMiB: await service.anonymousMiB(),
    };
  }
}
