import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { constants } from "node:os";
import { explain, PINNED_NODE, PROCESS_SETTINGS } from "./base.mjs";
import { checkNode, install } from "./install.mjs";
import { createVoice } from "./voice.mjs";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];

/**
 * Becomes `node script args` under the pinned Node, after the install if that is due. Where this Node
 * can replace itself there is one process only; else signals are passed on, and the exit code too.
 */
export async function runPinned(script, args) {
  try {
    checkNode();
    await install({ say: createVoice(process.stderr) });
  } catch (thrown) {
    console.error(explain(thrown));
    process.exit(1);
  }
  const node = realpathSync(PINNED_NODE);
  const options = ["--disable-warning=ExperimentalWarning", script, ...args];
  const env = { ...PROCESS_SETTINGS, ...process.env };
  if (typeof process.execve === "function") process.execve(node, [node, ...options], env);
  const child = spawn(node, options, { stdio: "inherit", env });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.once("error", (error) => {
    console.error(explain(error));
    process.exit(1);
  });
  child.once("exit", (code, signal) => {
    process.exit(signal === null ? code : 128 + constants.signals[signal]);
  });
}
