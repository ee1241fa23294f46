import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../lib/ports.mjs";
import { startPostgres } from "../lib/postgres.mjs";
import { stopAll } from "../lib/processes.mjs";

/** Linux counts process time in these. Source: sysconf(_SC_CLK_TCK), 100 on every supported platform. */
const TICKS_PER_SECOND = 100;

/** A PostgreSQL of its own that waits for the disk, as one in production does: servers of tests do not. */
export interface DurablePostgres {
  readonly url: string;
  /** CPU seconds so far, of one backend and of all the server's processes. */
  cpuSeconds(backendPid: number): Promise<{ readonly backend: number; readonly all: number }>;
  close(): Promise<void>;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

interface Server {
  readonly pid: number;
}

export async function openDurablePostgres(): Promise<DurablePostgres> {
  const data = await mkdtemp(join(tmpdir(), "vigie-bench-postgres-"));
  // The server may have to run as another user.
  await chmod(data, 0o755);
  const servers: Server[] = [];
  const folders = [data];
  const url: string = await startPostgres({
    port: await freePort(),
    data,
    password: randomBytes(16).toString("hex"),
    log: join(data, "postgres.log"),
    durable: true,
    say: () => undefined,
    register({ record }: { readonly record: Server }, outside: string | null) {
      servers.push(record);
      if (outside !== null) folders.push(outside);
    },
  });
  // Whatever ends us ends the server.
  const endAll = (): void => {
    for (const { pid } of servers) process.kill(pid, "SIGINT");
  };
  const onSignal = (): void => process.exit(1);
  process.once("exit", endAll);
  for (const signal of SIGNALS) process.once(signal, onSignal);
  return {
    url,
    async cpuSeconds(backendPid) {
      const processes = await processesOf();
      const backend = processes.get(backendPid);
      const all = [...processes.values()].filter(({ parent }) => parent === backend?.parent);
      return {
        backend: backend?.seconds ?? 0,
        all: all.reduce((sum, { seconds }) => sum + seconds, 0),
      };
    },
    async close() {
      process.off("exit", endAll);
      for (const signal of SIGNALS) process.off(signal, onSignal);
      await stopAll(servers);
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Process {
  readonly parent: number;
  /** CPU seconds so far. */
  readonly seconds: number;
}

/** All that run on this machine, by pid. */
async function processesOf(): Promise<ReadonlyMap<number, Process>> {
  const found = new Map<number, Process>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const fields = stat.split(") ")[1]?.split(" ") ?? [];
    const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    found.set(Number(name), { parent: Number(fields[1]), seconds });
  }
  return found;
}
