// node faulty-sink.ts WORLD AT UNTIL: lives until it kills itself at step AT, or to the end where AT is 0. Prints the
// step at which it dies; at its end all steps, one a line.
import { writeSync } from "node:fs";
import { live, type Watch } from "./fault-life.ts";

const [world = "", at = "0", until = "0"] = process.argv.slice(2);
const steps: string[] = [];

function isDue(step: string): boolean {
  steps.push(step);
  if (steps.length !== Number(at)) return false;
  writeSync(1, step);
  return true;
}

/** No handler runs, nothing is flushed, no connection is closed. */
const die = (): void => void process.kill(process.pid, "SIGKILL");

const watch: Watch = {
  before(step) {
    if (isDue(`before ${step}`)) die();
  },
  during(step) {
    if (isDue(`during ${step}`)) setImmediate(die);
  },
};

await live(JSON.parse(world), watch, (batch) => batch >= Number(until));
writeSync(1, steps.join("\n"));
