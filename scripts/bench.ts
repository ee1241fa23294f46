/**
 * Usage: npm run bench [-- detector|edge|geo|latency|introspection|restart|revocation|whatif|audit|audit-verify|audit-latency ...]
 *   [--events N] [--users N] [--rounds N] [--pairs N] [--revocations N] [--leaves N] [--seconds N]
 * `--rounds` is of detector, edge, geo and restart, `--seconds` of audit-latency.
 * Prints absolute figures and ratios to a bare baseline of the same run; writes .vigie/bench/<name>.json.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { benchAudit } from "./bench/audit.ts";
import { benchAuditLatency } from "./bench/audit-latency.ts";
import { benchAuditVerify } from "./bench/audit-verify.ts";
import { openBenchStack } from "./bench/bench-stack.ts";
import { benchDetector } from "./bench/detector.ts";
import { benchEdge } from "./bench/edge.ts";
import { benchGeo } from "./bench/geo.ts";
import { benchIntrospection } from "./bench/introspection.ts";
import { benchLatency } from "./bench/latency.ts";
import { benchRestart } from "./bench/restart.ts";
import { benchRevocation } from "./bench/revocation.ts";
import { benchWhatIf } from "./bench/whatif.ts";

const FOLDER = fileURLToPath(new URL("../.vigie/bench/", import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    events: { type: "string", default: "1000000" },
    users: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
    pairs: { type: "string", default: "1000" },
    revocations: { type: "string", default: "1000" },
    leaves: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "60" },
  },
});

/** None, or the one that the benches share which need it. */
const opened: ReturnType<typeof openBenchStack>[] = [];
const servers = () => {
  opened[0] ??= openBenchStack();
  return opened[0];
};
const benches = {
  audit: () => benchAudit({ leaves: Number(values.leaves), subjects: Number(values.users) }),
  detector: async () =>
    benchDetector(await servers(), {
      events: Number(values.events),
      users: Number(values.users),
      rounds: Number(values.rounds),
    }),
  latency: async () => benchLatency(await servers(), Number(values.pairs)),
  edge: async () => benchEdge(await servers(), values.rounds),
  geo: async () => benchGeo(await servers(), values.rounds),
  introspection: async () => benchIntrospection(await servers()),
  restart: async () =>
    benchRestart(await servers(), {
      events: Number(values.events),
      users: Number(values.users),
      rounds: Number(values.rounds),
    }),
  revocation: async () => benchRevocation(await servers(), Number(values.revocations)),
  whatif: async () =>
    benchWhatIf(await servers(), { events: Number(values.events), users: Number(values.users) }),
  "audit-latency": async () =>
    benchAuditLatency(await servers(), { eventsPerSecond: 1_000, seconds: Number(values.seconds) }),
  "audit-verify": () => benchAuditVerify(Number(values.leaves)),
} as const;
const names = positionals.length > 0 ? positionals : Object.keys(benches);

try {
  await mkdir(FOLDER, { recursive: true });
  for (const name of names) {
    const bench = benches[name as keyof typeof benches];
    if (bench === undefined)
      throw new Error(`no bench ${name}: ${Object.keys(benches).join(", ")}`);
    process.stdout.write(`${name}: running\n`);
    const figures = await bench();
    const machine = { cores: cpus().length, model: cpus()[0]?.model, memoryBytes: totalmem() };
    const report = { name, at: new Date().toISOString(), machine, figures };
    await writeFile(`${FOLDER}${name}.json`, `${JSON.stringify(report, null, 2)}\n`);
    for (const [figure, value] of Object.entries(figures)) {
      const shown = typeof value === "number" ? Number(value.toFixed(2)) : value;
      process.stdout.write(`  ${figure.padEnd(30)} ${JSON.stringify(shown)}\n`);
    }
  }
} finally {
  await (await opened[0])?.close();
}
