import { assert } from "@vigie/core/assert";
import type { BenchStack } from "./bench-stack.ts";
import { committedRecords, Progress, type Timed } from "./detector-run.ts";
import type { ServiceProcess } from "./processes.ts";

/** Short beside what slows a shared machine, long beside a commit; a group waits 6 s for a member that stands still. */
const SLICE_MS = 200;
/** Of its own running time, in which a detector that works commits something. */
const STUCK_MS = 120_000;

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
 * those in which a detector was let run. One that is done is stopped, and what is left of the slower ones runs without it.
 * Throws: VIG_INVARIANT when one ends before, or commits nothing for long; then all run on.
 */
export async function runInSlices(
  servers: BenchStack,
  all: readonly Running[],
  events: number,
): Promise<readonly SlicedRun[]> {
  const sliced = all.map((running) => new Sliced(servers, running, events));
  try {
    for (const each of sliced) each.hold();
    while (sliced.some(({ run }) => run === null)) {
      for (const each of sliced) if (each.run === null) await each.slice();
    }
  } finally {
    for (const each of sliced) each.letGo();
  }
  await Promise.all(sliced.map(({ stopped }) => stopped));
  return sliced.flatMap(({ run }) => run ?? []);
}

class Sliced {
  run: SlicedRun | null = null;
  stopped: Promise<void> = Promise.resolve();
  private readonly servers: BenchStack;
  private readonly running: Running;
  private readonly progress: Progress;
  private ranMs = 0;
  private count = 0;
  private countedAtMs = 0;

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
    const startedMs = performance.now();
    this.letGo();
    await new Promise((resolve) => setTimeout(resolve, SLICE_MS));
    this.hold();
    this.ranMs += performance.now() - startedMs;
    await this.look();
  }

  private async look(): Promise<void> {
    const { child } = this.running.service;
    const { prefix } = this.running;
    const end = child.exitCode ?? child.signalCode;
    assert(end === null, `the detector ${prefix} runs on until it is done, not to its end: ${end}`);
    const count = await committedRecords(this.servers, prefix);
    if (count > this.count) this.countedAtMs = this.ranMs;
    this.count = count;
    assert(this.ranMs - this.countedAtMs < STUCK_MS, `the detector ${prefix} commits more in time`);
    if (this.progress.note(count, this.ranMs)) this.run = await this.ended();
  }

  private async ended(): Promise<SlicedRun> {
    const { service } = this.running;
    const run = {
      ...this.progress.figures(),
      cpuSeconds: await service.cpuSeconds(),
      rssAnonMiB: await service.anonymousMiB(),
    };
    // Standing still for as long as the others take, it would lose its partitions; waited for, they would lose theirs.
    this.letGo();
    this.stopped = service.stop();
    return run;
  }
}
