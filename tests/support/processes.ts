import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@vigie/scripts/lib/ports";
import { processEnv } from "@vigie/testkit/process-env";
import { Hopeless, until } from "./until.ts";

const ROOT = join(import.meta.dirname, "..", "..");

export type ServiceName =
  | "edge"
  | "geo"
  | "detector"
  | "sessions"
  | "session-sink"
  | "session-cache"
  | "audit-sink";

/** A service as operators run it: one process, configured by its environment, told what to do by signals. */
export interface ServiceProcess {
  readonly name: ServiceName;
  readonly url: string;
  /** Starts it (again) and waits until it says that it is ready. */
  start(): Promise<void>;
  /** Starts it without waiting. */
  launch(): void;
  ready(deadlineMs?: number): Promise<void>;
  /** Resolves with the exit code and the time that it took. */
  terminate(): Promise<{ readonly code: number | null; readonly tookMs: number }>;
  kill(): Promise<void>;
  /** Names of the parts that /health calls down. */
  partsDown(): Promise<readonly string[]>;
  /** The sum of a metric's values over the given labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  /** All that it has written. */
  output(): string;
}

export interface ServiceOptions {
  readonly name: ServiceName;
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
}

/** Some 12 s with two cores for one pipeline; up to 40 s were seen with three that start at once. */
const READY_MS = 150_000;
/** Seven services that are asked without rest would be kept from what they are asked about. */
const READY_POLL_MS = 250;

export async function createService(options: ServiceOptions): Promise<ServiceProcess> {
  const { name, directory } = options;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logPath = join(directory, `${name}.log`);
  const isCalled = name === "edge" || name === "geo";
  const own = isCalled ? { PORT: String(port) } : { METRICS_PORT: String(port) };
  const env = { ...baseEnv(), ...options.env, ...own };
  let child: ChildProcess | null = null;

  const launch = (): void => {
    const log = openSync(logPath, "a");
    const main = join(ROOT, "services", name, "src", "main.ts");
    child = spawn(process.execPath, [main], { env, cwd: ROOT, stdio: ["ignore", log, log] });
    closeSync(log);
  };
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const ending = child;
    child = null;
    // What a signal has ended has no exit code, and says no second time that it has ended.
    if (ending === null || endOf(ending) !== null) return ending?.exitCode ?? null;
    const exited = once(ending, "exit");
    ending.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  };
  const output = (): string => readFileSync(logPath, "utf8");
  const ready = async (deadlineMs = READY_MS): Promise<void> => {
    let answer = "nothing answered";
    try {
      await until(
        `${name} is ready`,
        async () => {
          const by = child === null ? null : endOf(child);
          if (by !== null) throw new Hopeless(`${name} ended by ${by}`);
          const response = await fetch(`${url}/healthz`);
          if (!response.ok) answer = `${response.status} ${await response.text()}`;
          return response.ok ? true : null;
        },
        deadlineMs,
        READY_POLL_MS,
      );
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : cause;
      throw new Error(`${reason}; ${answer}:\n${output().slice(-4_000)}`, { cause });
    }
  };
  return {
    name,
    url,
    launch,
    ready,
    output,
    async start() {
      launch();
      await ready();
    },
    async terminate() {
      const startedMs = performance.now();
      const code = await end("SIGTERM");
      return { code, tookMs: performance.now() - startedMs };
    },
    kill: async () => {
      await end("SIGKILL");
    },
    async partsDown() {
      const response = await fetch(`${url}/health`);
      const { parts } = (await response.json()) as { parts: Record<string, { status: string }> };
      return Object.entries(parts).flatMap(([part, { status }]) => (status === "up" ? [] : [part]));
    },
    async metric(metricName, labels = {}) {
      const text = await (await fetch(`${url}/metrics`)).text();
      return sumOf(text, metricName, labels);
    },
  };
}

/** The exit code or the signal; null: it runs. */
const endOf = ({ exitCode, signalCode }: ChildProcess): number | string | null =>
  exitCode ?? signalCode;

/** Only what a process needs to run; the configuration comes from the test. */
const baseEnv = (): Record<string, string> => ({
  ...processEnv,
  NODE_ENV: "test",
  HOST: "127.0.0.1",
  LOG_LEVEL: "info",
});

function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  let sum = 0;
  for (const line of text.split("\n")) {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match?.[1] !== name) continue;
    const given = match[2] ?? "";
    const fits = Object.entries(labels).every(([label, value]) =>
      given.includes(`${label}="${value}"`),
    );
    if (fits) sum += Number(match[3]);
  }
  return sum;
}

/** Runs a script of ours to its end. Throws: with its output when it fails. */
export async function runScript(
  script: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const { code, text } = await run([script], env);
  if (code !== 0) throw new Error(`${script} ended with ${code}:\n${text}`);
  return text;
}

/** Runs Node on these arguments in the project's root. Returns: exit code, and all that was written. */
export async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(process.execPath, [...args], {
    env: { ...baseEnv(), ...env },
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code, text };
}
