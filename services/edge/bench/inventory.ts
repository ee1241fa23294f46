/**
 * Fills a schema of its own with sessions, asks every list and search through the handlers, and prints how long they
 * take and by which plan. Usage: node services/edge/bench/inventory.ts [--sessions N] [--rounds N] [--report FILE]
 * on the servers of VIGIE_TEST_STACK, else on its own.
 */
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { assert } from "@vigie/core/assert";
import { testTables } from "../src/inventory/test-tables.ts";
import { askerOf, planTextOf, signedIn, type Took } from "./inventory/ask.ts";
import { type Case, casesOf } from "./inventory/cases.ts";
import { fillReadModel } from "./inventory/fill.ts";
import { pagesOf, shareOf } from "./plan-figures.ts";

const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "2000000" },
    rounds: { type: "string", default: "200" },
    report: { type: "string" },
  },
});
/** What a node says besides how it reads. */
const ASIDE =
  /^ +(Buffers|Index Searches|Storage|Full-sort Groups|Presorted Key|Sort Method|Window|Heap Blocks): /;
const MARK = "<!-- measured -->\n";
/** So many others ask first: code is compiled then, and plans are made; the rows of those who are measured stay unread. */
const WARM_UP_CALLS = 100;
const sessions = Number(values.sessions);
const rounds = Number(values.rounds);
const nowMs = Date.now();
const startedMs = performance.now();
// A path that cannot be written shows now, not after half an hour.
if (values.report !== undefined) await appendFile(values.report, "");

function say(line: string): void {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
  process.stdout.write(`${seconds.padStart(5)} s  ${line}\n`);
}

interface Measured {
  readonly one: Case;
  readonly p50: number;
  readonly p99: number;
  readonly cpu99: number;
  /** Pages of 8 KiB that the last call touched. */
  readonly pages: number;
  readonly plans: readonly string[];
}

const tables = await testTables({ statementTimeoutMs: 3_600_000, poolMax: 1 });
try {
  await fillReadModel(tables.owner, { sessions, nowMs, told: say });
  // What was filled is written out before, and not while, it is read.
  await tables.owner.query("checkpoint");
  const people = await signedIn(tables.owner, nowMs);
  assert(people.length >= WARM_UP_CALLS + rounds, "those who are measured have not asked before");
  const pid = "select pg_backend_pid() as pid";
  const [backend] = (await tables.edge.query<{ pid: number }>(pid)).rows;
  const asker = askerOf(tables.edge, nowMs, backend?.pid);
  const measured: Measured[] = [];
  for (const one of casesOf(nowMs)) {
    for (const who of people.slice(-WARM_UP_CALLS)) await asker.ask(one, who);
    const took: Took[] = [];
    for (let i = 0; i < rounds; i++) {
      const who = people[i % people.length];
      if (who !== undefined) took.push(await asker.ask(one, who));
    }
    const plans: string[] = [];
    for (const sent of asker.sent()) plans.push(await planTextOf(tables.edge, sent));
    const wall = took.map(({ ms }) => ms);
    const cpu99 = shareOf(
      took.map(({ cpuMs }) => cpuMs),
      0.99,
    );
    const [p50, p99, pages] = [shareOf(wall, 0.5), shareOf(wall, 0.99), pagesOf(plans)];
    const told = `p50 ${ms(p50)}  p99 ${ms(p99)}  cpu p99 ${ms(cpu99)}  ${pages} pages`;
    say(`${one.name.padEnd(42)} ${told}`);
    measured.push({ one, p50, p99, cpu99, pages, plans });
  }
  if (values.report !== undefined) await report(values.report, measured, await sizes());
} finally {
  await tables.close();
}

function ms(value: number): string {
  return `${value.toFixed(1).padStart(6)} ms`;
}

async function sizes(): Promise<string> {
  const { rows } = await tables.owner.query<{ name: string; size: string; indexes: string }>(
    `select relname as name, pg_size_pretty(pg_table_size(oid)) as size,
            pg_size_pretty(pg_indexes_size(oid)) as indexes
       from pg_class where oid = 'user_sessions'::regclass`,
  );
  const [table] = rows;
  return `\`${table?.name}\`: ${table?.size}, indexes ${table?.indexes}`;
}

/** Replaces what stands after the mark in the document. */
async function report(path: string, measured: readonly Measured[], size: string): Promise<void> {
  const [head = ""] = (await readFile(path, "utf8")).split(MARK);
  const lines = measured.map(
    ({ one, p50, p99, cpu99, pages }) =>
      `| ${one.name} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${cpu99.toFixed(1)} | ${pages} |`,
  );
  const plans = measured.map(
    ({ one, plans }) =>
      `### ${one.name}\n\n\`\`\`text\n${plans.map(shortened).join("\n\n")}\n\`\`\``,
  );
  const text = [
    `${sessions.toLocaleString("en")} sessions, ${rounds} calls each, one after the other. ${size}.`,
    `| | p50, ms | p99, ms | processor, p99, ms | pages |\n| --- | --- | --- | --- | --- |\n${lines.join("\n")}`,
    "## Plans",
    ...plans,
  ];
  await writeFile(path, `${head}${MARK}\n${text.join("\n\n")}\n`);
}

/** The first day stands for all; the rest of a long plan says the same again. */
function shortened(plan: string): string {
  const lines = plan.split("\n").filter((line) => !ASIDE.test(line));
  const depth = (line: string): number => line.search(/\S/);
  const append = lines.findIndex((line) => /-> {2}(Parallel )?Append/.test(line));
  const day = depth(lines[append + 1] ?? "");
  if (append === -1) return lines.join("\n");
  const after = lines.findIndex((line, i) => i > append && depth(line) < day);
  const end = after === -1 ? lines.length : after;
  const begins = lines.flatMap((line, i) => {
    return i > append && i < end && depth(line) === day && line.includes("->") ? [i] : [];
  });
  const [, second] = begins;
  if (second === undefined) return lines.join("\n");
  const more = `${" ".repeat(day)}... and ${begins.length - 1} more like it`;
  return [...lines.slice(0, second), more, ...lines.slice(end)].join("\n");
}
