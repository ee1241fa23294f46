import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { assert } from "@vigie/core/assert";
import { PROCESS_SETTINGS } from "@vigie/scripts/lib/base";
import { endWithUs } from "@vigie/testkit/end-with-us";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Linux counts process time in these. Source: sysconf(_SC_CLK_TCK), 100 on every supported platform. */
const TICKS_PER_SECOND = 100;

export interface ServiceProcess {
  readonly child: ChildProcess;
  /** CPU seconds used so far, all threads. */
  cpuSeconds(): Promise<number>;
  /** Anonymous resident memory in MiB: what is the process's own, without mapped files. */
  anonymousMiB(): Promise<number>;
  /** The most resident memory in MiB that it has had, mapped files included. */
  peakMiB(): Promise<number>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a service as production does: its own process, environment only; its log goes to `logFile`. */
export function startService(
  name: string,
  env: Readonly<Record<string, string>>,
  logFile: string,
): ServiceProcess {
  const log = openSync(logFile, "a");
  const child = spawn(process.execPath, [`${ROOT}services/${name}/src/main.ts`], {
    env: { ...PROCESS_SETTINGS, ...process.env, ...env },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const exited = once(child, "exit");
  endWithUs(child, "SIGKILL");
  const proc = (file: string) => readFile(`/proc/${child.pid}/${file}`, "utf8");
  const memory = async (name: string): Promise<number> => {
    const line = new RegExp(`${name}:\\s+(\\d+)`).exec(await proc("status"));
    return Math.round(Number(line?.[1] ?? 0) / 1_024);
  };
  return {
    child,
    async cpuSeconds() {
      const fields = (await proc("stat")).split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    anonymousMiB: () => memory("RssAnon"),
    peakMiB: () => memory("VmHWM"),
    async stop(signal = "SIGTERM") {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await exited;
    },
  };
}

/** Runs a script of ours and returns the last line of its output. Throws: VIG_INVARIANT when it fails. */
export async function runScript(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  endWithUs(child, "SIGTERM");
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  assert(code === 0, `${script} ends well`);
  return output.trimEnd().split("\n").at(-1) ?? "";
}

/** Asks until `check` answers something. Throws: VIG_INVARIANT after `deadlineMs`. */
export async function until<T>(
  what: string,
  check: () => Promise<T | null>,
  { deadlineMs = 120_000, everyMs = 50 } = {},
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const found = await check();
    if (found !== null) return found;
    assert(performance.now() < endMs, `in ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
