import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { eventually } from "@vigie/testkit/eventually";
import { afterEach, expect, test } from "vitest";
import { isAlive, startMark } from "./lib/processes.mjs";
import { reapTestStacks } from "./lib/test-stack.mjs";

const SCRIPT = join(import.meta.dirname, "stack.mjs");
const RECORDS = join(import.meta.dirname, "..", ".vigie", "test-stacks");
const START_MS = 180_000;

interface Begun {
  readonly child: ChildProcess;
  /** As the script prints them. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly processes: readonly {
    readonly name: string;
    readonly pid: number;
    readonly startedAt: string;
  }[];
}

const begun: ChildProcess[] = [];
afterEach(async () => {
  for (const child of begun.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  }
  await reapTestStacks();
});

async function begin(): Promise<Begun> {
  const child = spawn(process.execPath, [SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
  begun.push(child);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const [line] = (await once(lines, "line")) as [string];
  const record = JSON.parse(readFileSync(join(RECORDS, `${child.pid}.json`), "utf8"));
  return { child, addresses: JSON.parse(line), processes: record.processes };
}

const answers = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(address.includes("://") ? address : `kafka://${address}`);
    const socket = connect(Number(port), hostname, () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

const alive = ({ processes }: Begun): readonly string[] =>
  processes.filter(isAlive).map(({ name }) => name);

test("four real servers come up on free ports, and none is left when standard input closes", {
  timeout: START_MS,
}, async () => {
  const stack = await begin();
  expect(Object.keys(stack.addresses).sort()).toEqual(["kafka", "postgres", "redis", "registry"]);
  for (const address of Object.values(stack.addresses)) expect(await answers(address)).toBe(true);
  expect(alive(stack)).toHaveLength(4);
  stack.child.stdin?.end();
  const [code] = await once(stack.child, "exit");
  expect(code).toBe(0);
  expect(alive(stack)).toEqual([]);
});

test("what a killed run leaves is found by its record and ended, data and all", {
  timeout: START_MS,
}, async () => {
  const stack = await begin();
  stack.child.kill("SIGKILL");
  await eventually(() => expect(startMark(stack.child.pid)).toBeNull());
  expect(alive(stack)).toHaveLength(4);
  await reapTestStacks();
  expect(alive(stack)).toEqual([]);
  expect(readdirSync(RECORDS)).not.toContain(`${stack.child.pid}.json`);
});
