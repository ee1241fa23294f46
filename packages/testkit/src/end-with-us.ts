import type { ChildProcess } from "node:child_process";

/**
 * Whatever ends this process, but SIGKILL, ends the child: by SIGKILL one that may stand still, by SIGTERM one that has
 * children of its own to end.
 */
export function endWithUs(child: ChildProcess, signal: "SIGKILL" | "SIGTERM"): void {
  exitOnSignals();
  const end = (): void => {
    child.kill(signal);
  };
  process.once("exit", end);
  child.once("exit", () => process.off("exit", end));
}

let exits = false;

/** A signal that nobody listens to ends a process without its `exit` event. */
function exitOnSignals(): void {
  if (exits) return;
  exits = true;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => process.exit(1));
  }
}
