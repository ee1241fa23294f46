// node scripts/run.mjs SCRIPT [args]: runs it under the pinned Node, after the install if that is due.
import { runPinned } from "./lib/pinned.mjs";

const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  console.error("node scripts/run.mjs SCRIPT [args]");
  process.exit(64);
}
await runPinned(script, args);
