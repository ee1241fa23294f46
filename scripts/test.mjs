// npm test [-- vitest arguments]: set-up, checks, one stack of real servers, every test, one count.
// --full runs the long parts whole.
import { explain } from "./lib/base.mjs";
import { runTests } from "./lib/test.mjs";

const args = process.argv.slice(2);
try {
  const full = args.includes("--full");
  process.exitCode = await runTests({ full, args: args.filter((arg) => arg !== "--full") });
} catch (error) {
  console.error(`\n${explain(error)}\n`);
  process.exitCode = 1;
}
process.exit();
