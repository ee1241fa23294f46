import { parseArgs } from "node:util";
import { THREE_RULES, threeRulesOnly } from "@vigie/core/testing/three-rules";
import { TaskBench, type TaskFigures } from "./task-bench.ts";

/**
 * CPU time an event of one task of the detector, without a broker: from the bytes of a fetch by way of its store
 * to the bytes of the changelog; with all rules, and in turn with the first three alone, the others OFF by policy. The
 * defaults are one partition's share of a million events and 100,000 users.
 * Run: node bench/task.ts [--events 166000] [--users 16600] [--passes 3] [--only-all]; with --cpu-prof for a profile.
 */
const { values: args } = parseArgs({
  options: {
    events: { type: "string", default: "166000" },
    users: { type: "string", default: "16600" },
    passes: { type: "string", default: "3" },
    "only-all": { type: "boolean", default: false },
  },
});

const bench = await TaskBench.open({ events: Number(args.events), users: Number(args.users) });
const passes: Record<string, TaskFigures> = {};
const ratios: number[] = [];
// Compiled code and caches are no rule's merit.
await bench.pass();
for (let i = 0; i < Number(args.passes); i++) {
  const three = (): Promise<TaskFigures | null> =>
    args["only-all"] ? Promise.resolve(null) : bench.pass(threeRulesOnly);
  // In turn the one and the other first: a busy machine's speed drifts.
  const early = i % 2 === 1 ? await three() : null;
  const all = await bench.pass();
  passes[`all ${i}`] = all;
  const its = early ?? (await three());
  if (its === null) continue;
  passes[`three ${i}`] = its;
  ratios.push(its.microsAnEvent / all.microsAnEvent);
}
console.table(passes);
if (ratios.length > 0) {
  console.log(
    `${THREE_RULES.join(", ")} alone to all rules, CPU time, pass by pass: ` +
      ratios.map((ratio) => ratio.toFixed(2)).join(" "),
  );
}
