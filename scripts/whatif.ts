import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf, VigError } from "@vigie/core/errors";
import { loadConfig } from "@vigie/service-kit/config";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { openKeys } from "@vigie/service-kit/kms/open-keys";
import { keysConfig } from "@vigie/service-kit/shared-config";
import {
  namedArguments,
  needed,
  type Span,
  spanOf,
  tenantOf,
  withDevelopment,
} from "./history/arguments.ts";
import { htmlOf } from "./whatif/html.ts";
import { readPolicyFile } from "./whatif/policies.ts";
import { readLabels } from "./whatif/read-labels.ts";
import { whatIf } from "./whatif/run.ts";
import { summaryOf } from "./whatif/summary.ts";

const USAGE = `npm run whatif -- --policy FILE [--current FILE] [--tenant T] [--from T] [--to T]
                  [--history DIR] [--labels FILE] [--out DIR]
What the rules would have found under another policy: replays the topics as far as they reach back, or the files of
npm run history:export, under FILE and under the policy in force. Writes whatif.json and whatif.{en,fr}.html to the
directory --out (default whatif-report). See docs/what-if.md.`;

const names = ["policy", "current", "tenant", "from", "to", "history", "labels", "out"] as const;

interface Arguments extends Span {
  readonly tenant: string | null;
  readonly candidate: object;
  readonly current: object | null;
  readonly history: string | null;
  readonly labels: ReadonlyMap<string, boolean>;
  readonly out: string;
}

function read(argv: readonly string[]): Arguments {
  const args = namedArguments(argv, names);
  return {
    ...spanOf(args, Number.POSITIVE_INFINITY),
    tenant: tenantOf(args.tenant),
    candidate: readPolicyFile("--policy", needed("--policy", args.policy)),
    current: args.current === undefined ? null : readPolicyFile("--current", args.current),
    history: args.history ?? null,
    labels: args.labels === undefined ? new Map() : readLabels(args.labels),
    out: args.out ?? "whatif-report",
  };
}

async function main(): Promise<void> {
  const args = read(process.argv.slice(2));
  const env = withDevelopment(process.env);
  if (args.history !== null) {
    run(args, args.history, await openKeys(loadConfig(keysConfig, { env, argv: [] })));
    return;
  }
  // What speaks to a broker takes a while to load.
  const { exportFromTopics, topicsConfig } = await import("./history/from-topics.ts");
  const config = loadConfig(topicsConfig, { env, argv: [] });
  const directory = mkdtempSync(join(tmpdir(), "vigie-whatif-"));
  try {
    const { tenant } = args;
    await exportFromTopics(config, { directory, tenant, fromMs: 0, toMs: Date.now() });
    run(args, directory, await openKeys(config));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function run(args: Arguments, directory: string, keys: Keys): void {
  const { report, count } = whatIf({ ...args, directory, keys });
  mkdirSync(args.out, { recursive: true });
  writeFileSync(join(args.out, "whatif.json"), `${JSON.stringify(report, null, 2)}\n`);
  for (const language of ["en", "fr"] as const) {
    writeFileSync(join(args.out, `whatif.${language}.html`), htmlOf(report, language));
  }
  console.log(`${summaryOf(report)}\nthe report is in ${args.out}`);
  // Of the whole process: what somebody waits for.
  const seconds = process.uptime();
  const { user, system } = process.cpuUsage();
  const replayed = count.events + count.before;
  console.log(
    `${replayed} events in ${seconds.toFixed(1)} s: ${Math.round(replayed / seconds)}/s, ` +
      `${((user + system) / replayed).toFixed(1)} µs of CPU each`,
  );
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!(error instanceof VigError) && code === undefined) throw error;
    console.error(`${messageOf(error)}\n${USAGE}`);
    process.exitCode = 1;
  }
}
