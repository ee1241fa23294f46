import { Worker } from "node:worker_threads";
import type { Logger } from "@vigie/core/log";
import { AggregatorRegistry } from "prom-client";
import { createHealth, type Health, type HealthReport, mergeHealth } from "./health.ts";
import { createLogger } from "./log.ts";
import { createMetrics, type Metrics, type MetricsJson } from "./metrics.ts";

/** What the module of a worker gets. */
export interface WorkerContext<D> {
  /** 0..count - 1 */
  readonly index: number;
  readonly data: D;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
}

export interface RunningWorker {
  /** Finishes what is in flight. */
  stop(): Promise<unknown>;
  /** Resolves when it cannot go on. */
  readonly failed: Promise<Error>;
}

/** What the module exports. */
export interface WorkerModule<D> {
  start(context: WorkerContext<D>): Promise<RunningWorker>;
}

export interface WorkersOptions<D> {
  readonly service: string;
  /** A module that exports `start`, see WorkerModule. */
  readonly module: URL;
  /** Threads; 0 runs the module in the main thread. */
  readonly count: number;
  /** Plain data for `start`, such as the configuration. */
  readonly data: D;
  readonly logLevel?: string;
  /** The process's own, which the workers' are added to; default: new ones. */
  readonly metrics?: Metrics;
  /** Old space of one thread's heap, in MB; V8's own default if not given. */
  readonly heapMaxMb?: number;
}

export interface Workers {
  /** Exposition text of the process and all workers: counters and histograms summed. */
  metrics(): Promise<string>;
  /** A part is up when it is up in every worker. */
  health(): Promise<HealthReport>;
  stop(): Promise<void>;
  /** Resolves when one worker ends without having been told to: the process should exit 1. */
  readonly failed: Promise<Error>;
}

/** What the main thread and a worker say to each other. */
export type ToWorker = { readonly ask: "report"; readonly id: number } | { readonly ask: "stop" };
export type FromWorker =
  | { readonly told: "ready" }
  | { readonly told: "failed"; readonly why: string }
  | {
      readonly told: "report";
      readonly id: number;
      readonly metrics: MetricsJson;
      readonly health: HealthReport;
    };

/** A worker that is busy for longer than this counts as not answering. */
const REPORT_TIMEOUT_MS = 2_000;

interface Report {
  readonly metrics: MetricsJson;
  readonly health: HealthReport;
}

interface Member {
  report(): Promise<Report>;
  stop(): Promise<void>;
  readonly failed: Promise<Error>;
}

/**
 * Runs the module in `count` threads, so that the main thread answers signals and scrapes at all
 * times.
 * Throws: what `start` of a worker throws; the others are stopped first.
 */
export async function startWorkers<D>(options: WorkersOptions<D>): Promise<Workers> {
  const own = options.metrics ?? createMetrics(options.service);
  const indexes = Array.from({ length: Math.max(1, options.count) }, (_, index) => index);
  const start = options.count === 0 ? inThisThread : inThread;
  const starts = await Promise.allSettled(indexes.map((index) => start(options, index)));
  const members = starts.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const fault = starts.find((each) => each.status === "rejected");
  const stop = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.stop()));
  };
  if (fault !== undefined) {
    await stop();
    throw fault.reason;
  }
  const reports = (): Promise<Report[]> => Promise.all(members.map((member) => member.report()));
  return {
    async metrics() {
      const all = [await own.registry.getMetricsAsJSON()];
      for (const report of await reports()) all.push(report.metrics);
      return AggregatorRegistry.aggregate(all).metrics();
    },
    async health() {
      const told = (await reports()).map((report) => report.health);
      return mergeHealth(options.service, told);
    },
    stop,
    failed: Promise.race(members.map((member) => member.failed)),
  };
}

async function inThisThread<D>(options: WorkersOptions<D>, index: number): Promise<Member> {
  const metrics = createMetrics(options.service, { processMetrics: false });
  const health = createHealth(options.service);
  const log = workerLog(options.service, options.logLevel);
  const { start } = (await import(options.module.href)) as WorkerModule<D>;
  const running = await start({ index, data: options.data, log, metrics, health });
  return {
    report: async () => ({
      metrics: await metrics.registry.getMetricsAsJSON(),
      health: health.report(),
    }),
    stop: async () => {
      await running.stop();
    },
    failed: running.failed,
  };
}

export const workerLog = (service: string, level?: string): Logger =>
  createLogger(service, level === undefined ? {} : { level });

async function inThread<D>(options: WorkersOptions<D>, index: number): Promise<Member> {
  const { service, logLevel, data, module } = options;
  const worker = new Worker(new URL("./worker-entry.ts", import.meta.url), {
    name: `${service}-${index}`,
    workerData: { service, logLevel, index, data, module: module.href },
    ...(options.heapMaxMb !== undefined && {
      resourceLimits: { maxOldGenerationSizeMb: options.heapMaxMb },
    }),
  });
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<Error>();
  const exited = Promise.withResolvers<void>();
  const asked = new Map<number, (report: Report) => void>();
  let stopping = false;
  let faulty = false;
  const fail = (error: Error): void => {
    faulty ||= !stopping;
    ready.reject(error);
    if (!stopping) failed.resolve(error);
  };
  worker.on("message", (message: FromWorker) => {
    if (message.told === "ready") ready.resolve();
    else if (message.told === "failed") fail(new Error(`worker ${index}: ${message.why}`));
    else {
      asked.get(message.id)?.(message);
      asked.delete(message.id);
    }
  });
  worker.on("error", (error) => fail(error instanceof Error ? error : new Error(String(error))));
  worker.on("exit", (code) => {
    const error = new Error(`worker ${index} ended with code ${code}`);
    fail(error);
    // One that failed before has been told of already.
    if (stopping && !faulty && code !== 0) exited.reject(error);
    else exited.resolve();
  });
  await ready.promise;
  const ask = (message: ToWorker): void => worker.postMessage(message);
  return {
    report: asker(service, index, ask, asked),
    failed: failed.promise,
    stop: () => {
      stopping = true;
      ask({ ask: "stop" });
      return exited.promise;
    },
  };
}

/** Asks a worker how it is; one that does not answer in time is a part that is down. */
function asker(
  service: string,
  index: number,
  ask: (message: ToWorker) => void,
  asked: Map<number, (report: Report) => void>,
): () => Promise<Report> {
  let id = 0;
  let last: MetricsJson = [];
  return () => {
    const mine = id++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        asked.delete(mine);
        const health = createHealth(service);
        health.set(`worker ${index}`, false, "does not answer");
        resolve({ metrics: last, health: health.report() });
      }, REPORT_TIMEOUT_MS);
      asked.set(mine, (report) => {
        clearTimeout(timer);
        last = report.metrics;
        resolve(report);
      });
      ask({ ask: "report", id: mine });
    });
  };
}
