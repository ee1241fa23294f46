import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert } from "@vigie/core/assert";
import { threeRulesOnly } from "@vigie/core/testing/three-rules";
import { anomalyKinds, type Workload } from "@vigie/testkit/workload/workload";
import { followAnomalies } from "./anomalies.ts";
import type { BenchStack, Installation } from "./bench-stack.ts";
import { type DetectorSize, type Loaded, load } from "./detector-run.ts";
import { type Running, runInSlices, type SlicedRun } from "./in-slices.ts";
import { percentile } from "./percentiles.ts";
import { publishPolicy } from "./policy.ts";
import { inputTopics } from "./preload.ts";
import { runScript, startService, until } from "./processes.ts";
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
  /** Medians of the runs; of an even number the lower. */
  readonly allRulesPerSecond: number;
  readonly threeRulesPerSecond: number;
  readonly ratioToRaw: number;
  /** Medians of the pairs. */
  readonly ratioToThreeRules: number;
  readonly cpuRatioToThreeRules: number;
}

/**
 * Preloaded events through the detector, exactly once, with all rules and with the first three alone, both in slices of
 * time in turn; against plain kafkajs consumption of the same topics. The clock runs from the first committed offset to
 * the last, as seen from outside by the group's offsets.
 */
export async function benchDetector(
  servers: BenchStack,
  size: DetectorSize,
): Promise<DetectorFigures> {
  const pairs: Pair[] = [];
  let loaded: Loaded | null = null;
  for (let round = 0; round < size.rounds; round++) {
    const all = await load(servers, `detector-${round}-all`, size);
    const three = await load(servers, `detector-${round}-three`, size);
    await publishPolicy(servers, three.installation, threeRulesOnly);
    loaded ??= all;
    // Who goes first meets a broker that is less warm.
    const order = round % 2 === 0 ? [all, three] : [three, all];
    const runs = await runTogether(servers, order, size.events);
    pairs.push({ all: runs.get(all) as RunFigures, three: runs.get(three) as RunFigures });
  }
  assert(loaded !== null, "a benchmark has a round");
  const rawPerSecond = await timeRaw(servers, loaded.installation, size.events);
  const medianOf = (figure: (pair: Pair) => number): number => percentile(pairs.map(figure), 0.5);
  const allRulesPerSecond = medianOf(({ all }) => all.perSecond);
  return {
    events: size.events,
    users: size.users,
    valueBytesAverage: loaded.valueBytesAverage,
    preloadPerSecond: loaded.perSecond,
    rawPerSecond,
    allRules: pairs.map(({ all }) => all),
    threeRules: pairs.map(({ three }) => three),
    allRulesPerSecond,
    threeRulesPerSecond: medianOf(({ three }) => three.perSecond),
    ratioToRaw: allRulesPerSecond / rawPerSecond,
    ratioToThreeRules: medianOf(({ all, three }) => all.perSecond / three.perSecond),
    cpuRatioToThreeRules: medianOf(({ all, three }) => three.cpuSeconds / all.cpuSeconds),
  };
}

interface Pair {
  readonly all: RunFigures;
  readonly three: RunFigures;
}

async function timeRaw(servers: BenchStack, { prefix }: Installation, events: number) {
  const topics = inputTopics.map((topic) => prefix + topic);
  const args = [servers.kafka, `${prefix}bench-raw`, String(events), ...topics];
  const raw = JSON.parse(await runScript(RAW_CONSUMER, args)) as RawFigures;
  return Math.round(raw.records / raw.seconds);
}

async function runTogether(
  servers: BenchStack,
  all: readonly Loaded[],
  events: number,
): Promise<ReadonlyMap<Loaded, RunFigures>> {
  const running: Running[] = [];
  try {
    for (const { installation } of all) {
      const { prefix, folder, env } = installation;
      running.push({
        prefix,
        service: startService("detector", env, join(folder, "detector.log")),
      });
    }
    const runs = await runInSlices(servers, running, events);
    const figures = new Map<Loaded, RunFigures>();
    for (const [at, loaded] of all.entries()) {
      figures.set(loaded, await figuresOf(servers, loaded, runs[at] as SlicedRun, events));
    }
    return figures;
  } finally {
    await Promise.all(running.map(({ service }) => service.stop()));
  }
}

async function figuresOf(
  servers: BenchStack,
  { installation, workload }: Loaded,
  run: SlicedRun,
  events: number,
): Promise<RunFigures> {
  const found = await foundAnomalies(servers, installation, workload);
  const { folder, prefix } = installation;
  return {
    perSecond: Math.round(events / run.seconds),
    perSecondSecondHalf: Math.round(run.secondHalfPerSecond),
    startToFirstCommitSeconds: run.startToFirstSeconds,
    cpuSeconds: run.cpuSeconds,
    rssAnonMiB: run.rssAnonMiB,
    ...found,
    stateBytes: await stateBytesOf(join(folder, "state", `${prefix}detector`)),
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

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
