import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DAY_MS, HOUR_MS } from "@vigie/core/time";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import { anomalyKinds, Workload } from "@vigie/testkit/workload/workload";
import { followAnomalies } from "./anomalies.ts";
import type { BenchStack, Installation } from "./bench-stack.ts";
import { inputTopics, preload } from "./preload.ts";
import { runScript, type ServiceProcess, startService, until } from "./processes.ts";

const RAW_CONSUMER = fileURLToPath(new URL("raw-consumer.ts", import.meta.url));
interface RawFigures {
  readonly records: number;
  readonly seconds: number;
}

const GROUP = "vigie.detector";

export interface DetectorFigures {
  readonly events: number;
  readonly users: number;
  readonly valueBytesAverage: number;
  readonly preloadPerSecond: number;
  readonly rawPerSecond: number;
  readonly detectorPerSecond: number;
  readonly detectorPerSecondSecondHalf: number;
  readonly ratioToRaw: number;
  readonly startToFirstCommitSeconds: number;
  readonly cpuSeconds: number;
  readonly rssAnonMiB: number;
  readonly anomaliesExpected: number;
  readonly anomaliesFound: number;
  readonly anomaliesEqual: boolean;
}

/**
 * Preloaded events through the detector, exactly once, against plain kafkajs consumption of the same topics.
 * The clock runs from the first committed offset to the last, as seen from outside by the group's offsets.
 */
export async function benchDetector(
  servers: BenchStack,
  size: { readonly events: number; readonly users: number },
): Promise<DetectorFigures> {
  const installation = await servers.installation("detector");
  const { prefix, folder } = installation;
  const spanMs = 10 * DAY_MS;
  const startMs = Date.now() - spanMs - HOUR_MS;
  const workload = new Workload({ ...size, seed: 1, startMs, spanMs });
  const { registryUrl, client } = servers;
  const cacheDir = join(folder, "schemas");
  const loaded = await preload(client, workload, { prefix, registryUrl, cacheDir });
  const topics = inputTopics.map((topic) => prefix + topic);
  const rawArgs = [servers.kafka, `${prefix}bench-raw`, String(size.events), ...topics];
  const raw = JSON.parse(await runScript(RAW_CONSUMER, rawArgs)) as RawFigures;
  const rawPerSecond = raw.records / raw.seconds;
  const service = startService("detector", installation.env, join(folder, "detector.log"));
  try {
    const timed = await timeToEnd(servers, prefix, size.events);
    const usage = await usageOf(service);
    const found = await foundAnomalies(servers, installation, workload);
    const perSecond = size.events / timed.seconds;
    return {
      ...size,
      valueBytesAverage: loaded.valueBytesAverage,
      preloadPerSecond: Math.round(loaded.events / loaded.seconds),
      rawPerSecond: Math.round(rawPerSecond),
      detectorPerSecond: Math.round(perSecond),
      detectorPerSecondSecondHalf: Math.round(timed.secondHalfPerSecond),
      ratioToRaw: perSecond / rawPerSecond,
      startToFirstCommitSeconds: timed.startToFirstSeconds,
      ...usage,
      ...found,
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

async function timeToEnd(servers: BenchStack, prefix: string, events: number) {
  const spawnedMs = performance.now();
  let firstMs = 0;
  let half: { readonly atMs: number; readonly count: number } | null = null;
  await until(
    "the detector consumes everything",
    async () => {
      const count = await committedRecords(servers, prefix);
      const atMs = performance.now();
      if (count > 0 && firstMs === 0) firstMs = atMs;
      if (half === null && count * 2 >= events) half = { atMs, count };
      return count >= events ? count : null;
    },
    { deadlineMs: 600_000 },
  );
  const endMs = performance.now();
  const { atMs, count } = half ?? { atMs: firstMs, count: 0 };
  return {
    seconds: (endMs - firstMs) / 1_000,
    secondHalfPerSecond: (events - count) / ((endMs - atMs) / 1_000),
    startToFirstSeconds: (firstMs - spawnedMs) / 1_000,
  };
}

async function committedRecords(servers: BenchStack, prefix: string): Promise<number> {
  const partitions = inputTopics.flatMap((topic) =>
    Array.from({ length: PARTITIONS_DEFAULT }, (_, partition) => ({
      topic: prefix + topic,
      partition,
    })),
  );
  const committed = await servers.admin.committed(prefix + GROUP, partitions);
  return committed.reduce((sum, { offset }) => sum + (offset ?? 0), 0);
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
