import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HOME } from "./base.mjs";
import { allAddresses, INNER_PORTS, startNative } from "./native.mjs";
import { freePorts } from "./ports.mjs";
import { exists, isAlive, startMark, stopAll } from "./processes.mjs";
import { living, openState, readState } from "./state.mjs";

const FOLDER = join(HOME, "test-stacks");

/**
 * Kafka, registry, PostgreSQL and Redis for tests: free ports, data in a temporary folder, beside
 * whatever else runs. Returns: {addresses, stop()}; stop leaves neither processes nor files.
 */
export async function startTestStack({ say, progress, installed }) {
  const data = mkdtempSync(join(tmpdir(), "vigie-test-"));
  chmodSync(data, 0o755); // PostgreSQL may have to run as another user.
  const state = openState(join(FOLDER, `${process.pid}.json`));
  const runner = { pid: process.pid, startedAt: startMark(process.pid) };
  state.set({ runner, folders: [data] });
  const stop = () => clean(state.get(), state.remove);
  try {
    const starting = startNative({
      ports: await freePorts(["kafka", "registry", ...INNER_PORTS]),
      data,
      logs: join(data, "log"),
      password: randomBytes(16).toString("hex"),
      durable: false,
      say,
      progress,
      installed,
      register(server, outside = null) {
        state.add(server);
        if (outside !== null) state.set({ folders: [...state.get().folders, outside] });
      },
    });
    return { addresses: await allAddresses(starting), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Ends what test runs left that were killed before they could do it themselves. */
export async function reapTestStacks() {
  if (!exists(FOLDER)) return;
  mkdirSync(FOLDER, { recursive: true });
  for (const name of readdirSync(FOLDER)) {
    const file = join(FOLDER, name);
    const state = readState(file);
    if (state !== null && isAlive(state.runner)) continue;
    await clean(state ?? { processes: [], folders: [] }, () => rmSync(file, { force: true }));
  }
}

async function clean(state, forget) {
  await stopAll(living(state));
  for (const folder of state.folders) rmSync(folder, { recursive: true, force: true });
  forget();
}
