import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert } from "@vigie/core/assert";
import { threeRulesOnly } from "@vigie/core/testing/three-rules";
import { anomalyKinds, type Workload } from "@vigie/testkit/workload/workload";
import { followAnomalies } from "./anomalies.ts";
import type { BenchStack, Installation } from "./bench-stack.ts";
import { type DetectorSize, type Loaded, load, timeToEnd } from "./detector-run.ts";
import { percentile } from "./percentiles.ts";
import { publishPolicy } from "./policy.ts";
import { inputTopics } from "./preload.ts";
import { runScript, type ServiceProcess, startService, until } from "./processes.ts";
import { type StateBytes, stateBytesOf } from "./state-bytes.ts";

const RAW_CONSUMER = fileURLToPath(new URL("raw-consumer.ts", import.meta.url));
interface RawFigures {
  readonly records: number;
  readonly seconds: number;
}

interface RunFigures {
  readonly perSecond: number;
  readonly perSecondSecondHalf: number;
  readonly startToFirstCommitSeconds: number;
  readonly cpuSeconds: number;
  readonly rssAnonMiB: number;
  readonly anomaliesExpected: number;
  readonly anomaliesFound: number;
  readonly anomaliesEqual: boolean;
  readonly stateBytes: StateBytes;
}

export interface DetectorFigures {
  readonly events: number;
  readonly users: number;
  readonly valueBytesAverage: number;
  readonly preloadPerSecond: number;
  readonly rawPerSecond: number;
  readonly allRules: readonly RunFigures[];
  readonly threeRules: readonly RunFigures[];
  /** Medians of the runs. */
  readonly allRulesPerSecond: number;
  readonly threeRulesPerSecond: number;
  readonly ratioToRaw: number;
  readonly ratioToThreeRules: number;
  readonly cpuRatioToThreeRules: number;
}

/**
 * Preloaded events through the detector, exactly once, with all rules, and with the first three alone; against plain
 * kafkajs consumption of the same topics. The clock runs from the first committed offset to the last, as seen from
 * outside by the group's offsets.
 */
export async function benchDetector(
  servers: BenchStack,
  size: DetectorSize,
): Promise<DetectorFigures> {
  const allRules: RunFigures[] = [];
  const threeRules: RunFigures[] = [];
  let loaded: Loaded | null = null;
  for (let round = 0; round < size.rounds; round++) {
    const order = [false, true] as const;
    for (const onlyThree of round % 2 === 0 ? order : order.toReversed()) {
      const name = `detector-${round}-${onlyThree ? "three" : "all"}`;
      const next = await load(servers, name, size);
      loaded ??= next;
      if (onlyThree) await publishPolicy(servers, next.installation, threeRulesOnly);
      (onlyThree ? threeRules : allRules).push(await run(servers, next, size.events));
    }
  }
  assert(loaded !== null, "a benchmark has a round");
  const rawPerSecond = await timeRaw(servers, loaded.installation, size.events);
  const allRulesPerSecond = median(allRules.map(({ perSecond }) => perSecond));
  const threeRulesPerSecond = median(threeRules.map(({ perSecond }) => perSecond));
  const cpu = (runs: readonly RunFigures[]): number =>
    median(runs.map(({ cpuSeconds }) => cpuSeconds));
  return {
    events: size.events,
    users: size.users,
    valueBytesAverage: loaded.valueBytesAverage,
    preloadPerSecond: loaded.perSecond,
    rawPerSecond,
    allRules,
    threeRules,
    allRulesPerSecond,
    threeRulesPerSecond,
    ratioToRaw: allRulesPerSecond / rawPerSecond,
    ratioToThreeRules: allRulesPerSecond / threeRulesPerSecond,
    cpuRatioToThreeRules: cpu(threeRules) / cpu(allRules),
  };
}

async function timeRaw(servers: BenchStack, { prefix }: Installation, events: number) {
  const topics = inputTopics.map((topic) => prefix + topic);
  const args = [servers.kafka, `${prefix}bench-raw`, String(events), ...topics];
  const raw = JSON.parse(await runScript(RAW_CONSUMER, args)) as RawFigures;
  return Math.round(raw.records / raw.seconds);
}

async function run(
  servers: BenchStack,
  { installation, workload }: Loaded,
  events: number,
): Promise<RunFigures> {
  const { prefix, folder, env } = installation;
  const service = startService("detector", env, join(folder, "detector.log"));
  try {
    const timed = await timeToEnd(servers, prefix, events);
    const usage = await usageOf(service);
    const found = await foundAnomalies(servers, installation, workload);
    await service.stop();
    return {
      perSecond: Math.round(events / timed.seconds),
      perSecondSecondHalf: Math.round(timed.secondHalfPerSecond),
      startToFirstCommitSeconds: timed.startToFirstSeconds,
      ...usage,
      ...found,
      stateBytes: await stateBytesOf(join(folder, "state", `${prefix}detector`)),
    };
  } finally {
    await service.stop();
  }
}

async function usageOf(service: ServiceProcess) {
  return {
    cpuSeconds: await service.cpuSeconds(),
    rssAnonMiB: await service.anonymousMiB(),
  };
}

/** Reads the anomalies and holds them against what was planted: each user once a kind, no id twice. */
async function foundAnomalies(servers: BenchStack, installation: Installation, workload: Workload) {
  const expected = anomalyKinds.flatMap((kind) =>
    workload.planted(kind).map((key) => `${kind} ${key}`),
  );
  const found: string[] = [];
  const ids = new Set<string>();
  const close = await followAnomalies(servers, installation, ({ kind, key, anomalyId }) => {
    if (!(anomalyKinds as readonly string[]).includes(kind)) return;
    found.push(`${kind} ${key}`);
    ids.add(anomalyId);
  });
  const ends = await servers.admin.stableOffsets(`${installation.prefix}id.session.anomaly`);
  await until("the anomalies are read", async () =>
    found.length >= Math.min(expected.length, sum(ends)) ? true : null,
  );
  await close();
  return {
    anomaliesExpected: expected.length,
    anomaliesFound: found.length,
    anomaliesEqual:
      ids.size === found.length && found.toSorted().join() === expected.toSorted().join(),
  };
}

const median = (numbers: readonly number[]): number => percentile(numbers, 0.5);
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
