import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { HOME, PINNED_NODE, PROCESS_SETTINGS, ROOT } from "./base.mjs";
import { DOCKER_PORTS, dockerAnswers, startDocker, stopDocker } from "./docker.mjs";
import { checkNode, checkRoom, install } from "./install.mjs";
import { allAddresses, checkNative } from "./native.mjs";
import { freePorts } from "./ports.mjs";
import { closeProcesses, execute, help } from "./processes.mjs";
import { createProgress } from "./progress.mjs";
import { countTests, summaryLine } from "./test-report.mjs";
import { reapTestStacks, startTestStack } from "./test-stack.mjs";
import { createVoice } from "./voice.mjs";

const REPORT = join(HOME, "test", "report.json");
const PROJECTS = ["unit", "integration", "e2e", "timed"];

/**
 * Everything that `npm test` does. Returns: the exit code; 0 only when all checks and tests passed.
 * The last line printed is the count, read from the runner's own report.
 */
export async function runTests({ full, args }) {
  const say = createVoice();
  checkNode();
  checkRoom();
  let stack = null;
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    closeProcesses();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, interrupt);
  try {
    const meter = createProgress(say);
    const installed = install({ say, progress: meter.progress });
    const starting = needsServers(args) ? bringUp({ say, meter, installed }) : null;
    starting?.catch(() => {}); // Awaited below; the checks may take longer to end than it to fail.
    await installed;
    const faults = await runChecks(say);
    stack = await starting;
    meter.stop();
    const code = await runVitest({ stack, full, args });
    const counts = countTests(readReport());
    if (faults.length > 0) console.log(`\nchecks failed: ${faults.join(", ")}`);
    console.log(`\n${summaryLine(counts)}`);
    const allPassed = code === 0 && counts.failed === 0 && counts.passed > 0;
    return allPassed && faults.length === 0 && !interrupted ? 0 : 1;
  } finally {
    await stack?.stop();
  }
}

/** Only a run that is told to keep to the unit tests does without servers. */
function needsServers(args) {
  const projects = args.flatMap((arg, index) => {
    if (arg === "--project") return [args[index + 1]];
    return arg.startsWith("--project=") ? [arg.slice("--project=".length)] : [];
  });
  const named = process.env.VIGIE_TEST_STACK !== undefined;
  return !named && (projects.length === 0 || projects.some((name) => name !== "unit"));
}

async function bringUp({ say, meter, installed }) {
  await reapTestStacks();
  const docker = await dockerAnswers();
  if (!docker) {
    checkNative();
    return startTestStack({ say, progress: meter.progress, installed });
  }
  const project = `vigie-test-${process.pid}`;
  const ports = await freePorts(["kafka", "registry", ...DOCKER_PORTS]);
  const password = randomBytes(16).toString("hex");
  const stop = () => stopDocker({ project, forget: true });
  try {
    const starting = startDocker({ ports, password, say, project });
    return { addresses: await allAddresses(starting), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Types, format and lint, boundaries, side by side. Returns: the names of those that failed. */
async function runChecks(say) {
  const bin = (name) => join(ROOT, "node_modules", ".bin", name);
  const quiet = ["--ui=stream", "--output-logs=errors-only", "--continue"];
  const checks = {
    types: [bin("turbo"), ["run", "typecheck", ...quiet]],
    lint: [bin("biome"), ["check", "--colors=off", "."]],
    boundaries: [PINNED_NODE, [join(ROOT, "scripts", "check-boundaries.ts")]],
  };
  const environment = { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" };
  const failed = await Promise.all(
    Object.entries(checks).map(async ([name, [command, args]]) => {
      const run = await execute(command, args, { cwd: ROOT, env: environment });
      if (run.status === 0) say("checks", `${name} fine`);
      else say("checks", `${name} failed\n${run.stdout}\n${run.stderr}`);
      return run.status === 0 ? [] : [name];
    }),
  );
  return failed.flat();
}

function runVitest({ stack, full, args }) {
  mkdirSync(join(HOME, "test"), { recursive: true });
  rmSync(REPORT, { force: true });
  const given = args.some((arg) => arg.startsWith("--project"));
  const projects = given ? [] : PROJECTS.flatMap((name) => ["--project", name]);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${REPORT}`];
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const environment = {
    ...PROCESS_SETTINGS,
    ...process.env,
    ...(stack === null ? {} : { VIGIE_TEST_STACK: JSON.stringify(stack.addresses) }),
    ...(full ? { VIGIE_TEST_FULL: "1" } : {}),
  };
  return new Promise((resolve, reject) => {
    const child = help(
      spawn(PINNED_NODE, [vitest, "run", ...projects, ...reporters, ...args], {
        cwd: ROOT,
        env: environment,
        stdio: ["ignore", "inherit", "inherit"],
      }),
    );
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

function readReport() {
  try {
    return JSON.parse(readFileSync(REPORT, "utf8"));
  } catch {
    return null; // The runner ended before it could write one.
  }
}
