import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "vitest";
import { eventually } from "./eventually.ts";

const HERE = new URL("./end-with-us.ts", import.meta.url).href;

/** Starts a child that stands still, says its pid, and waits. */
const PARENT = `
  import { spawn } from "node:child_process";
  import { endWithUs } from ${JSON.stringify(HERE)};
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  endWithUs(child, "SIGKILL");
  child.kill("SIGSTOP");
  console.log(child.pid);
  setInterval(() => {}, 1000);
`;

test("a signal that ends a process ends its child, though that stands still", async () => {
  const parent = spawn(process.execPath, ["--input-type=module", "-e", PARENT], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = await once(parent.stdout, "data");
  const pid = Number(said);
  assert.ok(isRunning(pid));
  parent.kill("SIGTERM");
  const [code] = await once(parent, "exit");
  assert.equal(code, 1);
  await eventually(async () => assert.ok(!isRunning(pid)));
});

/** Source: proc(5). An orphan that nobody has reaped yet is a zombie. */
function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  } catch {
    return false;
  }
}
