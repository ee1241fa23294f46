// A native stack for one test run: prints its addresses as one line of JSON when all four servers
// answer, and ends them when standard input closes or a signal comes. Words for people go to stderr.
import { explain } from "./lib/base.mjs";
import { install } from "./lib/install.mjs";
import { closeProcesses } from "./lib/processes.mjs";
import { createProgress } from "./lib/progress.mjs";
import { reapTestStacks, startTestStack } from "./lib/test-stack.mjs";
import { createVoice } from "./lib/voice.mjs";

const say = createVoice(process.stderr);
const told = new Promise((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, resolve);
  process.stdin.on("end", resolve).on("error", resolve).resume();
});
void told.then(closeProcesses);

try {
  await reapTestStacks();
  const { progress } = createProgress(say);
  const stack = await startTestStack({ say, progress, installed: install({ say }) });
  process.stdout.write(`${JSON.stringify(stack.addresses)}\n`);
  await told;
  await stack.stop();
  process.exit(0);
} catch (error) {
  closeProcesses();
  console.error(explain(error));
  process.exit(1);
}
