/**
 * Fills a schema of its own with an audit log, asks every search, entry, proof and export through the handlers, and
 * prints how long they take; fails when a statement reads a table from end to end.
 * Usage: node services/edge/bench/audit.ts [--leaves N] [--rounds N] [--report FILE] on the servers of VIGIE_TEST_STACK,
 * else on its own.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { testTables } from "../src/inventory/test-tables.ts";
import { askerOf, planOf, planTextOf } from "./audit/ask.ts";
import { casesOf } from "./audit/cases.ts";
import { FILLED, fillAudit } from "./audit/fill.ts";
import { nodesOf } from "./inventory/ask.ts";
import { pagesOf, shareOf } from "./plan-figures.ts";

const { values } = parseArgs({
  options: {
    leaves: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "50" },
    report: { type: "string" },
  },
});
const leaves = Number(values.leaves);
const rounds = Number(values.rounds);
const nowMs = Date.now();
const startedMs = performance.now();

function say(line: string): void {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
  process.stdout.write(`${seconds.padStart(5)} s  ${line}\n`);
}

interface Measured {
  readonly name: string;
  readonly p50: number;
  readonly p99: number;
  /** Pages of 8 KiB that the statements of the last call touched. */
  readonly pages: number;
}

const tables = await testTables({ statementTimeoutMs: 3_600_000, poolMax: 1 });
try {
  await fillAudit(tables.owner, { leaves, nowMs, told: say });
  const asker = askerOf(tables.edge, nowMs);
  const measured: Measured[] = [];
  for (const one of casesOf({ leaves, nowMs })) {
    const took: number[] = [];
    for (let i = 0; i < rounds; i++) took.push(await asker.ask(one));
    const plans: string[] = [];
    for (const sent of asker.sent()) {
      for (const node of nodesOf(await planOf(tables.edge, sent))) {
        const { "Node Type": type, "Relation Name": table = "" } = node;
        if (type !== "Seq Scan" || table === "audit_tenant_keys" || !FILLED.includes(table))
          continue;
        say(`${one.name} reads ${table} from end to end`);
        process.exitCode = 1;
      }
      plans.push(await planTextOf(tables.edge, sent));
    }
    const [p50, p99] = [shareOf(took, 0.5), shareOf(took, 0.99)];
    const pages = pagesOf(plans);
    say(
      `${one.name.padEnd(52)} p50 ${p50.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms  ${pages} pages`,
    );
    measured.push({ name: one.name, p50, p99, pages });
  }
  if (values.report !== undefined) await report(values.report, measured);
} finally {
  await tables.close();
}

/** Replaces what stands between the marks in the document. */
async function report(path: string, measured: readonly Measured[]): Promise<void> {
  const [begin, end] = ["<!-- audit -->\n", "<!-- /audit -->\n"];
  const text = await readFile(path, "utf8");
  const [head = "", rest = ""] = text.split(begin);
  const [, tail = ""] = rest.split(end);
  const lines = measured.map(
    ({ name, p50, p99, pages }) => `| ${name} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${pages} |`,
  );
  const table = [
    `${leaves.toLocaleString("en")} leaves, ${rounds} calls each, one after the other.`,
    `| | p50, ms | p99, ms | pages |\n| --- | --- | --- | --- |\n${lines.join("\n")}`,
  ];
  await writeFile(path, `${head}${begin}\n${table.join("\n\n")}\n\n${end}${tail}`);
}
