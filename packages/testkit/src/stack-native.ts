import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assert } from "@vigie/core/assert";
import { type OwnedServers, parseServers } from "./stack-servers.ts";

const SCRIPT = fileURLToPath(new URL("../../../scripts/stack.mjs", import.meta.url));

/**
 * Kafka, registry, PostgreSQL and Redis as plain processes on free ports, data in a temporary folder.
 * scripts/stack.mjs owns them: it ends them when its standard input closes, so also when we die.
 * Throws: VIG_INVARIANT when it ends before all four answer; its own output says why.
 */
export async function startNativeStack(): Promise<OwnedServers> {
  const child = spawn(process.execPath, [SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const [first] = await Promise.race([once(lines, "line"), exited.then(() => [null])]);
  assert(typeof first === "string", "the native stack of the tests comes up");
  return {
    ...parseServers(first),
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
