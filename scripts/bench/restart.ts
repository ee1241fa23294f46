import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@vigie/core/assert";
import { threeRulesOnly } from "@vigie/core/testing/three-rules";
import type { BenchStack, Installation } from "./bench-stack.ts";
import { type DetectorSize, load, timeToEnd } from "./detector-run.ts";
import { publishPolicy } from "./policy.ts";
import { type ServiceProcess, startService } from "./processes.ts";

interface Restart {
  /** From the start of the process to the first record that a rule sees. */
  readonly firstMs: number;
  /** From the start of the process until all that had come meanwhile was committed. */
  readonly allMs: number;
  readonly peakMiB: number;
}

export interface RestartFigures {
  readonly users: number;
  /** With all events at full speed, from nothing. */
  readonly peakMiB: number;
  readonly perSecond: number;
  /** After kill -9. */
  readonly restarts: readonly Restart[];
}

/** What comes while the detector is away. */
const MEANWHILE = 600;

/** Fills the states of so many users with the first three rules, then kills the detector and starts it, again and again. */
export async function benchRestart(
  servers: BenchStack,
  size: DetectorSize,
): Promise<RestartFigures> {
  assert(size.events >= size.users, "each user has an event");
  const later = size.rounds * MEANWHILE;
  const { installation, writeMore } = await load(servers, "restart", size, later);
  await publishPolicy(servers, installation, threeRulesOnly);
  const { prefix } = installation;
  const { perSecond, peakMiB } = await untilKilled(installation, "first", async ({ service }) => {
    const { seconds } = await timeToEnd(servers, prefix, size.events);
    return { perSecond: Math.round(size.events / seconds), peakMiB: await service.peakMiB() };
  });
  const restarts: Restart[] = [];
  for (let round = 1; round <= size.rounds; round++) {
    await writeMore(MEANWHILE);
    const again = await untilKilled(installation, `again-${round}`, async (started) => {
      const startedMs = performance.now();
      await timeToEnd(servers, prefix, size.events + round * MEANWHILE);
      const allMs = Math.round(performance.now() - startedMs);
      return {
        firstMs: await started.firstMs(),
        allMs,
        peakMiB: await started.service.peakMiB(),
      };
    });
    restarts.push(again);
  }
  return { users: size.users, peakMiB, perSecond, restarts };
}

/** What is measured of a detector, which is killed then, however that went. */
async function untilKilled<T>(
  installation: Installation,
  name: string,
  measure: (started: Started) => Promise<T>,
): Promise<T> {
  const started = start(installation, name);
  try {
    return await measure(started);
  } finally {
    await started.service.stop("SIGKILL");
  }
}

interface Started {
  readonly service: ServiceProcess;
  firstMs(): Promise<number>;
}

function start({ env, folder }: Installation, name: string): Started {
  const logFile = join(folder, `${name}.log`);
  const startedMs = Date.now();
  return {
    service: startService("detector", { ...env, VIGIE_BENCH: "1" }, logFile),
    async firstMs() {
      const told = /^FIRST (\d+)$/m.exec(await readFile(logFile, "utf8"));
      assert(told !== null, "the detector tells of its first record");
      return Number(told[1]) - startedMs;
    },
  };
}
