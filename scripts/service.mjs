// npm run service -- NAME [args]: one service under the pinned Node, configured by its environment.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./lib/base.mjs";
import { runPinned } from "./lib/pinned.mjs";
import { exists } from "./lib/processes.mjs";

const mainOf = (name) => join(ROOT, "services", name, "src", "main.ts");
const names = readdirSync(join(ROOT, "services")).filter((name) => exists(mainOf(name)));

const [name, ...args] = process.argv.slice(2);
if (!names.includes(name)) {
  const what = name === undefined ? "Which service?" : `There is no service ${name}.`;
  console.error(`${what}\n  npm run service -- NAME [--check-config]\n  ${names.join(", ")}`);
  process.exit(64); // EX_USAGE of sysexits.h
}
await runPinned(mainOf(name), args);
