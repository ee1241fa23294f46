import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isAlive, launch, startMark, stopAll, tail, waitUntilReady } from "./processes.mjs";
import { living } from "./state.mjs";

const begun: { record: unknown }[] = [];
let folder = "";
let log = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigie-processes-"));
  log = join(folder, "process.log");
});
afterEach(async () => {
  await stopAll(
    begun.splice(0).map(({ record }) => record),
    0,
  );
  rmSync(folder, { recursive: true });
});

function begin(script: string) {
  const { execPath: command, env } = process;
  const started = launch({ name: "it", command, args: ["-e", script], log, env });
  begun.push(started);
  return started;
}

const IDLE = "setInterval(() => {}, 1000)";
const DEAF = `process.on("SIGTERM", () => {}); console.log("deaf"); ${IDLE}`;

test("a process is known by pid and start, and ends when it is asked to", async () => {
  const { record } = begin(IDLE);
  expect(isAlive(record)).toBe(true);
  expect(await stopAll([record], 10_000)).toEqual([]);
  expect(isAlive(record)).toBe(false);
});

test("one that does not listen is killed, and named", async () => {
  const started = begin(DEAF);
  await waitUntilReady(started, async () => tail(log).includes("deaf"), 10_000);
  expect(await stopAll([started.record], 50)).toEqual(["it"]);
  expect(isAlive(started.record)).toBe(false);
});

test("a pid that now belongs to somebody else is left alone", async () => {
  const { record } = begin(IDLE);
  const stranger = { ...record, startedAt: "another boot:1" };
  expect(living({ processes: [stranger, record] })).toEqual([record]);
  await stopAll([stranger], 0);
  expect(isAlive(record)).toBe(true);
});

test("a process that is gone has no start", async () => {
  const { record, exited } = begin("");
  await exited;
  expect(startMark(record.pid)).toBeNull();
});

test("a process that ends while it is waited for is told with the end of its log", async () => {
  const started = begin("console.error('no room left'); process.exit(3)");
  await expect(waitUntilReady(started, async () => false, 10_000)).rejects.toThrow(
    /it ended at once \(exit code 3\)[\s\S]*no room left/,
  );
});

test("a process that does not become ready is told when the deadline passes", async () => {
  const waiting = waitUntilReady(begin(IDLE), async () => false, 100);
  await expect(waiting).rejects.toThrow("it did not become ready within 0.1 s");
});

test("a command that does not exist is told by its name", async () => {
  const command = join(tmpdir(), "no-such-command");
  const started = launch({ name: "it", command, args: [], log, env: {} });
  const waiting = waitUntilReady(started, async () => false, 10_000);
  await expect(waiting).rejects.toThrow(/no-such-command ENOENT/);
});

test("the end of a log is its last lines", () => {
  writeFileSync(log, Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join(""));
  expect(tail(log, 2)).toBe("line 98\nline 99");
  expect(tail(join(tmpdir(), "no-such.log"))).toBe("(no such file)");
});
