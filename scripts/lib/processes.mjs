import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { Problem, sleep } from "./base.mjs";

/** How long a process may take to drain before it is killed. Services promise 10 s. */
const DRAIN_MS = 15_000;
const POLL_MS = 25;
const TAIL_LINES = 12;

/**
 * When a process began, in a form that only compares for equality, or null when it does not run.
 * A pid alone is not enough: after a restart of the machine another process may bear it.
 */
export function startMark(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const state = fields[0];
    const startTicks = fields[19]; // Field 22 of proc_pid_stat(5), counted after the name.
    return state === "Z" ? null : `${bootId()}:${startTicks}`;
  } catch {
    return existsSync("/proc/self/stat") ? null : startMarkByPs(pid);
  }
}

function bootId() {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function startMarkByPs(pid) {
  try {
    const text = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
    return text.trim() === "" ? null : text.trim();
  } catch {
    return null;
  }
}

/** True while the very process of a record runs. */
export const isAlive = ({ pid, startedAt }) => startMark(pid) === startedAt;

/**
 * Starts a process of its own session, with its output in a file, so that it neither dies with our
 * terminal nor waits for a full pipe.
 * Returns: {record: {name, pid, startedAt, log}, exited}; exited resolves with {code, signal}, and never rejects.
 * @param {any} process
 */
export function launch({ name, command, args, log, cwd, env, identity = {}, stopSignal }) {
  if (closed) throw new Problem(`${name} was not started: we were told to stop.`);
  mkdirSync(dirname(log), { recursive: true });
  const out = openSync(log, "w", 0o600);
  const child = spawn(command, args, {
    ...identity,
    cwd,
    env,
    detached: true,
    stdio: ["ignore", out, out],
  });
  closeSync(out);
  const exited = new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: null, signal: null, error }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  child.unref();
  return {
    record: { name, pid: child.pid ?? 0, startedAt: startMark(child.pid ?? 0), log, stopSignal },
    exited,
  };
}

/** True when a GET answers 200 in time. */
export async function answersOk(url, timeoutMs = 1_000) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(Math.ceil(timeoutMs)) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

/**
 * Waits until `probe` resolves true.
 * Throws: Problem with the tail of the log when the process ends before, or the deadline passes.
 */
export async function waitUntilReady({ record, exited }, probe, deadlineMs, hint = "") {
  const until = Date.now() + deadlineMs;
  let ended = null;
  exited.then((how) => {
    ended = how;
  });
  while (!(await probe())) {
    if (ended !== null) throw failure(record, `ended at once (${describeExit(ended)})`, hint);
    if (Date.now() > until) {
      throw failure(record, `did not become ready within ${deadlineMs / 1_000} s`, hint);
    }
    await sleep(POLL_MS);
  }
}

export const describeExit = ({ code, signal, error }) =>
  error?.message ?? (signal === null ? `exit code ${code}` : `signal ${signal}`);

function failure(record, what, hint) {
  const todo = `Its log, ${record.log}, ends with:\n${tail(record.log)}`;
  return new Problem(`${record.name} ${what}.`, hint === "" ? todo : `${hint}\n${todo}`);
}

/** The last lines of a log, or a word that there are none. */
export function tail(log, lines = TAIL_LINES) {
  try {
    const text = readFileSync(log, "utf8").trimEnd();
    return text === "" ? "(nothing)" : text.split("\n").slice(-lines).join("\n");
  } catch {
    return "(no such file)";
  }
}

/**
 * Ends the processes of these records: asks, waits, then kills. Those that no longer run, or whose
 * pid now belongs to somebody else, are left alone.
 * Returns: the names of those that had to be killed.
 */
export async function stopAll(records, drainMs = DRAIN_MS) {
  const killed = await Promise.all(records.map((record) => stopOne(record, drainMs)));
  return records.filter((_, index) => killed[index]).map((record) => record.name);
}

async function stopOne(record, drainMs) {
  if (!isAlive(record)) return false;
  signal(record, record.stopSignal ?? "SIGTERM");
  if (await goneWithin(record, drainMs)) return false;
  signal(record, "SIGKILL");
  await goneWithin(record, drainMs);
  return true;
}

function signal(record, name) {
  try {
    process.kill(record.pid, name);
  } catch {
    // It ended in the meantime.
  }
}

/** Resolves true when the process has ended, false when it still runs after `ms`. */
export async function goneWithin(record, ms) {
  const until = Date.now() + ms;
  while (isAlive(record)) {
    if (Date.now() > until) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** Short-lived commands of ours that still run; they go when we are told to stop. */
const helpers = new Set();
let closed = false;

/** Counts `child` among the commands that `closeProcesses` ends. */
export function help(child) {
  helpers.add(child);
  child.once("close", () => helpers.delete(child));
  return child;
}

/** From here on nothing new starts, and commands under way are ended. */
export function closeProcesses() {
  closed = true;
  for (const child of helpers) child.kill("SIGTERM");
}

/** Runs a command to its end. Returns: {status, stdout, stderr}; a command that is not there has status 127. */
export function execute(command, args, { input = "", ...options } = {}) {
  return new Promise((resolve) => {
    const child = help(spawn(command, args, { ...options, stdio: ["pipe", "pipe", "pipe"] }));
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"]) {
      child[stream].setEncoding("utf8").on("data", (text) => {
        said[stream] += text;
      });
    }
    child.once("error", (error) => resolve({ status: 127, stdout: "", stderr: error.message }));
    child.once("close", (code) => resolve({ status: code ?? 1, ...said }));
    child.stdin.on("error", () => {}); // It may end without reading.
    child.stdin.end(input);
  });
}

export const exists = (path) => existsSync(path);
