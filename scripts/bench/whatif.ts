import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BenchStack } from "./bench-stack.ts";
import { load } from "./detector-run.ts";
import { runScript } from "./processes.ts";

const script = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));

export interface WhatIfFigures {
  readonly events: number;
  readonly users: number;
  readonly exportPerSecond: number;
  readonly historyBytesAnEvent: number;
  /** Of the whole process, from its start to its end, on one thread. */
  readonly whatIfPerSecond: number;
  /** What `npm run whatif` says of itself. */
  readonly said: string;
}

/** Events in topics, exported to files, then replayed from the files under two limits of travel. */
export async function benchWhatIf(
  servers: BenchStack,
  size: { readonly events: number; readonly users: number },
): Promise<WhatIfFigures> {
  const { installation } = await load(servers, "whatif", size);
  const { folder, env } = installation;
  const history = join(folder, "history");
  const exportSeconds = await timed(() =>
    runScript(script("history-export.ts"), ["--out", history], env),
  );
  const policy = join(folder, "candidate.json");
  await writeFile(policy, JSON.stringify({ impossible_travel: { kmh_threshold: 700 } }));
  let said = "";
  const whatIfSeconds = await timed(async () => {
    const args = ["--policy", policy, "--history", history, "--out", join(folder, "report")];
    said = await runScript(script("whatif.ts"), args, env);
  });
  return {
    ...size,
    exportPerSecond: Math.round(size.events / exportSeconds),
    historyBytesAnEvent: (await sizeOf(history)) / size.events,
    whatIfPerSecond: Math.round(size.events / whatIfSeconds),
    said,
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1_000;
}

async function sizeOf(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true });
  const sizes = await Promise.all(names.map((name) => stat(join(directory, name))));
  return sizes.reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
}
