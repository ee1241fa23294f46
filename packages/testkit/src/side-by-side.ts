import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { assert } from "@vigie/core/assert";
import { endWithUs } from "./end-with-us.ts";

/** A server measured beside a bare one: both and the generator in processes of their own, asked in turn. */

const LOAD = fileURLToPath(new URL("./load.ts", import.meta.url));

export interface Round {
  /** Answers, with those of the lead-in. */
  readonly answered: number;
  readonly accepted: number;
  readonly perSecond: number;
  readonly refused: number;
  readonly firstRefusal: string | null;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How late the generator itself was for its turns; none of `p99Ms`. */
  readonly generatorLateP99Ms: number;
  readonly generatorCpuShare: number;
}

/** A round, and what the server's process spent on one request: steadier than a rate on a busy machine. */
export interface Measured extends Round {
  readonly serverCpuUs: number;
}

export interface Server {
  readonly child: ChildProcess;
  readonly url: string;
}

/** What is asked of a server; see load.ts. */
export interface Traffic {
  readonly requests: readonly string[];
  readonly accepts: string;
  readonly holds: string;
  readonly connections: number;
}

/** Options of the benchmarks that measure side by side, for parseArgs. */
export const sideBySideOptions = {
  seconds: { type: "string", default: "5" },
  rounds: { type: "string", default: "3" },
  connections: { type: "string", default: "64" },
  profile: { type: "string" },
} as const;

/** How to measure. */
export interface Plan {
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: number;
  /** Where CPU profiles go. */
  readonly profile: string | undefined;
}

/** Of the values of `sideBySideOptions`. */
export const planOf = (
  values: Readonly<Record<Exclude<keyof Plan, "profile">, string>> & { readonly profile?: string },
): Plan => ({
  seconds: Number(values.seconds),
  rounds: Number(values.rounds),
  connections: Number(values.connections),
  profile: values.profile,
});

const START_TIMEOUT_MS = 30_000;

export interface StartOptions {
  readonly folder: string;
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** Written to its standard input. */
  readonly input: string;
  /** Where a CPU profile goes, if one is wanted. */
  readonly profile: string | undefined;
}

export async function startServer(options: StartOptions): Promise<Server> {
  const { folder, file, env, input, profile } = options;
  const profiling = profile === undefined ? [] : profileFlags(profile, file);
  // The log goes to a file: a pipe would make this process work beside what it measures.
  const logPath = join(folder, `${basename(file)}.log`);
  const logFile = await open(logPath, "w");
  const child = spawn(process.execPath, [...profiling, file], {
    env: { ...env, PATH: process.env.PATH },
    stdio: ["pipe", logFile.fd, "inherit"],
  });
  endWithUs(child, "SIGKILL");
  await logFile.close();
  child.stdin?.end(input);
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const url = listeningUrl(await readFile(logPath, "utf8"));
    if (url !== null) return { child, url };
    assert(child.exitCode === null, `${file} runs`);
    assert(performance.now() < deadlineMs, `${file} listens in time`);
    await setTimeout(50);
  }
}

function listeningUrl(log: string): string | null {
  const line = log.split("\n").find((text) => text.includes('"event":"listening"'));
  return line === undefined ? null : ((JSON.parse(line) as { url: string }).url ?? null);
}

const profileFlags = (folder: string, file: string): string[] => [
  "--cpu-prof",
  `--cpu-prof-dir=${folder}`,
  `--cpu-prof-name=${file.split("/").at(-1)}.cpuprofile`,
];

/** A service listens before it has read what it must know: policies, revocations, schemas. */
export async function untilReady(url: string): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!(await fetch(`${url}/healthz`)).ok) {
    assert(performance.now() < deadlineMs, "the service is ready in time");
    await setTimeout(50);
  }
}

export async function stopServer({ child }: Server): Promise<void> {
  child.kill("SIGTERM");
  if (child.exitCode === null) await once(child, "exit");
}

interface Pace {
  readonly seconds: number;
  /** How long one is asked before the next one's turn comes. */
  readonly sliceSeconds: number;
}

interface Target extends Traffic {
  readonly url: string;
  /** Null: as fast as the connections can. */
  readonly perSecond: number | null;
}

/** Lead-ins and last answers take a few. */
const LATE_SECONDS = 60;

async function load(targets: readonly Target[], pace: Pace): Promise<readonly Round[]> {
  const child = spawn(process.execPath, [LOAD], {
    stdio: ["pipe", "pipe", "inherit"],
    // A server that answers nothing any more would be waited for without end.
    timeout: (targets.length * pace.seconds + LATE_SECONDS) * 1_000,
  });
  endWithUs(child, "SIGKILL");
  child.stdin.end(JSON.stringify({ targets, ...pace }));
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, "close");
  assert(code === 0, "the load generator ends well");
  return JSON.parse(text) as readonly Round[];
}

/** CPU time of a process so far. Source: proc(5), fields 14 and 15 in ticks of 10 ms; Linux only, else 0. */
async function cpuMs(child: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${child.pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10;
}

/**
 * Code compiled for this pace, warm servers, and each token's signature verified once, as for a caller that comes again:
 * at half load fewer requests come in one turn, and what handles them is compiled anew.
 */
const WARM_UP_SECONDS = 4;

/** Short beside what slows a shared machine, long beside the answers that each slice waits for at its end. */
const SLICE_SECONDS = 0.5;

/** By the name of what was measured. */
export type Rounds<Name extends string> = Readonly<Record<Name, readonly Measured[]>>;

/** What is measured side by side: a server, and what it is asked. */
export type Asked = readonly [server: Server, traffic: Traffic];

/** How often and how long each is measured. */
export interface Turns<Name extends string> {
  readonly rounds: number;
  readonly seconds: number;
  /** All connections of each together; absent: as fast as they can. */
  readonly perSecond?: Readonly<Record<Name, number>>;
}

/**
 * Rounds in which the servers are asked in turn: in short slices where rates are compared, without a break where a pace is
 * given, for there each slice's first answers would be the late ones.
 * Throws: VIG_INVARIANT when an answer was not what it had to be.
 */
export async function sideBySide<Name extends string>(
  asked: Readonly<Record<Name, Asked>>,
  { rounds, seconds, perSecond }: Turns<Name>,
): Promise<Rounds<Name>> {
  const names = Object.keys(asked) as Name[];
  const targets = names.map((name) => {
    const [{ url }, traffic] = asked[name];
    return { ...traffic, url, perSecond: perSecond?.[name] ?? null };
  });
  await load(targets, { seconds: WARM_UP_SECONDS, sliceSeconds: WARM_UP_SECONDS });
  const sliceSeconds = perSecond === undefined ? SLICE_SECONDS : seconds;
  const all = {} as Record<Name, Measured[]>;
  for (const name of names) all[name] = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = await Promise.all(names.map((name) => cpuMs(asked[name][0].child)));
    const figures = await load(targets, { seconds, sliceSeconds });
    for (const [at, name] of names.entries()) {
      const spentMs = (await cpuMs(asked[name][0].child)) - (before[at] as number);
      all[name].push(measured(figures[at] as Round, spentMs));
    }
  }
  return all;
}

function measured(round: Round, spentMs: number): Measured {
  assert(round.refused === 0, `every answer is right: ${round.firstRefusal}`);
  return { ...round, serverCpuUs: Math.round((spentMs * 1_000) / round.answered) };
}

/**
 * Each at half of its own rate: where latency is the question, and not a full queue. Both are as busy then, so a machine
 * that is slower for a moment delays both.
 */
export async function halfLoad(
  asked: Readonly<Record<"bare" | "ours", Asked>>,
  { seconds, rounds }: Plan,
  full: { readonly barePerSecond: number; readonly ourPerSecond: number },
) {
  const perSecond = {
    bare: Math.round(full.barePerSecond / 2),
    ours: Math.round(full.ourPerSecond / 2),
  };
  const { bare, ours } = await sideBySide(asked, { seconds, rounds, perSecond });
  return {
    halfLoadPerSecond: middle(ours, "perSecond"),
    halfLoadP50Ms: middle(ours, "p50Ms"),
    halfLoadP99Ms: middle(ours, "p99Ms"),
    halfLoadP99MsOfRounds: ours.map(({ p99Ms }) => p99Ms),
    generatorLateP99MsOfRounds: ours.map(({ generatorLateP99Ms }) => generatorLateP99Ms),
    bareHalfLoadPerSecond: middle(bare, "perSecond"),
    bareHalfLoadP50Ms: middle(bare, "p50Ms"),
    bareHalfLoadP99Ms: middle(bare, "p99Ms"),
    bareHalfLoadP99MsOfRounds: bare.map(({ p99Ms }) => p99Ms),
  };
}

/** The figures of both, and their ratios. */
export function compared({ bare, ours }: Rounds<"bare" | "ours">) {
  const ratioOf = (part: readonly Measured[], whole: readonly Measured[], of: Figure): number =>
    thousandths(median(part.map((round, at) => round[of] / (whole[at] as Measured)[of])));
  return {
    /** Of rates and of CPU times the median of the rounds' own ratios: both of a round met the same machine. */
    ratio: ratioOf(ours, bare, "perSecond"),
    /** What the ratio would be if nothing but the server's own CPU time held it back. */
    cpuRatio: ratioOf(bare, ours, "serverCpuUs"),
    barePerSecond: middle(bare, "perSecond"),
    ourPerSecond: middle(ours, "perSecond"),
    bareCpuUs: middle(bare, "serverCpuUs"),
    ourCpuUs: middle(ours, "serverCpuUs"),
    bareP99Ms: middle(bare, "p99Ms"),
    ourP99Ms: middle(ours, "p99Ms"),
  };
}

type Figure = "perSecond" | "serverCpuUs" | "p50Ms" | "p99Ms";

/** The median of a figure over rounds: of one round of 5 s a single pause of 50 ms is the p99. */
export const middle = (all: readonly Measured[], of: Figure): number =>
  median(all.map((round) => round[of]));

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
};

const thousandths = (value: number): number => Math.round(value * 1_000) / 1_000;
