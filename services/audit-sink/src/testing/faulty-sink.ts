// node faulty-sink.ts WORLD UNTIL [STEP OCCURRENCE]: lives up to batch UNTIL, or until it kills itself at a step. WORLD is
// a file. Prints the step at which it dies; at its end all steps, one a line.
import { readFileSync, writeSync } from "node:fs";
import { aimedAt, live, type World, watchFor } from "./fault-life.ts";

const [file = "", until = "0", step = "", occurrence = "0"] = process.argv.slice(2);
const world = JSON.parse(readFileSync(file, "utf8")) as World;
const isAim = aimedAt({ step, occurrence: Number(occurrence) });
const steps: string[] = [];

function isDue(each: string): boolean {
  steps.push(each);
  if (!isAim(each)) return false;
  writeSync(1, each);
  return true;
}

/** No handler runs, nothing is flushed, no connection is closed. */
const die = (): void => void process.kill(process.pid, "SIGKILL");

await live(world, watchFor(isDue, die), (batch) => batch >= Number(until));
writeSync(1, steps.join("\n"));
