import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { openCheckpoint, verifyCosignature } from "@vigie/audit-log/checkpoint";
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from "@vigie/audit-log/note";
import { EXIT_CONFIG } from "@vigie/service-kit/config";
import { createSigningKey } from "@vigie/service-kit/kms/signing-key";
import { processEnv } from "@vigie/testkit/process-env";
import { afterEach, expect, test } from "vitest";
import { originHash } from "./records.ts";
import { freshFolder, TestLog } from "./testing.ts";

const main = resolve(import.meta.dirname, "../main.ts");
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
});

/** Where a witness keeps what it knows, and by which key it is known. */
interface Home {
  readonly folder: string;
  readonly key: VerifierKey;
}

function home(): Home {
  const folder = freshFolder();
  const path = join(folder, "witness.key");
  const { verifierKey } = createSigningKey(path, "witness.example/w1", "cosignature");
  return { folder, key: parseVerifierKey(verifierKey) };
}

function start({ folder }: Home, logs: string): ChildProcess {
  const child = spawn(process.execPath, [main, "witness"], {
    env: {
      ...processEnv,
      VIGIE_STATE_DIR: join(folder, "state"),
      WITNESS_KEY_FILE: join(folder, "witness.key"),
      WITNESS_LOGS: logs,
      WITNESS_PORT: "0",
      METRICS_PORT: "0",
      HOST: "127.0.0.1",
    },
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

async function started(child: ChildProcess) {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const { event, port, metricsPort } = JSON.parse(line) as Record<string, unknown>;
    if (event !== "started") continue;
    child.stdout?.resume();
    return { url: `http://127.0.0.1:${port}`, ops: `http://127.0.0.1:${metricsPort}` };
  }
  throw new Error("the witness ended before it had started");
}

const keysOf = (log: TestLog): string => log.keys.trusted.map(formatVerifierKey).join(",");

const post = async (url: string, body: Buffer) => {
  const options = { method: "POST", body: new Uint8Array(body) };
  const answer = await fetch(`${url}/add-checkpoint`, options);
  return { status: answer.status, text: await answer.text() };
};

test("runs until a signal, answers logs and monitors, and tells of itself", async () => {
  const log = new TestLog(9);
  const at = home();
  const child = start(at, keysOf(log));
  const { url, ops } = await started(child);
  const { status, text } = await post(url, await log.body(0, 9));
  expect(status).toBe(200);
  expect(verifyCosignature((await log.checkpoint(9)).text, text, at.key)).not.toBeNull();
  const metrics = await (await fetch(`${ops}/metrics`)).text();
  expect(metrics).toContain('vigie_witness_answers_total{status="200"} 1');
  expect(metrics).toContain(`vigie_witness_tree_size{origin="${log.keys.origin}"} 9`);
  expect((await fetch(`${ops}/health`)).status).toBe(200);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("does not start with a witness's key in place of a log's", async () => {
  const at = home();
  const child = start(at, formatVerifierKey(at.key));
  expect(await once(child, "exit")).toEqual([EXIT_CONFIG, null]);
});

/** The generation of the record on disk; 0: none. */
function generationOf({ folder }: Home, log: TestLog): number {
  const path = join(folder, "state/witness", originHash(log.keys.origin));
  const names = existsSync(path) ? readdirSync(path).filter((name) => /^\d+$/.test(name)) : [];
  return Math.max(0, ...names.map(Number));
}

const ROUNDS = 4;
const DEADLINE_MS = 20_000;

test("killed as soon as a record is on disk, it stands by what it cosigned and by what it was about to", async () => {
  const log = new TestLog(400);
  const at = home();
  let from = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const child = start(at, keysOf(log));
    const { url } = await started(child);
    await standsAt(from, url, { log, at });
    const before = generationOf(at, log);
    const to = from + 7 * (round + 1);
    const answered = post(url, await log.body(from, to)).catch(() => null);
    // The file is there before its folder is brought to the disk and the log is answered.
    const deadlineMs = performance.now() + DEADLINE_MS;
    while (generationOf(at, log) === before) {
      expect(performance.now()).toBeLessThan(deadlineMs);
      await new Promise((later) => setImmediate(later));
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    const answer = await answered;
    if (answer !== null) expect(answer.status).toBe(200);
    from = to;
  }
  const { url } = await started(start(at, keysOf(log)));
  await standsAt(from, url, { log, at });
});

/** Whoever asks from elsewhere is told where it stands, another branch is refused, and its last word is served. */
async function standsAt(size: number, url: string, { log, at }: { log: TestLog; at: Home }) {
  if (size === 0) return;
  const told = { status: 409, text: `${size}\n` };
  expect(await post(url, await log.body(size - 1, size + 1))).toEqual(told);
  const fork = log.fork(size - 1, 5);
  expect((await post(url, await fork.body(size, size + 1))).status).toBe(422);
  expect((await post(url, await log.body(size, size))).status).toBe(200);
  const served = await fetch(`${url}/${originHash(log.keys.origin)}/checkpoint`);
  const { origin, trusted } = log.keys;
  const opened = openCheckpoint(await served.text(), { origin, keys: [...trusted, at.key] });
  expect(opened.size).toBe(BigInt(size));
}
