import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { explain, HOME, LOGS, PINNED_NODE, Problem, ROOT } from "./base.mjs";
import { DOCKER_PORTS, dockerAnswers, startDocker } from "./docker.mjs";
import { checkNode, checkRoom, install } from "./install.mjs";
import { ensureKeys } from "./keys.mjs";
import { allAddresses, checkNative, INNER_PORTS, startNative } from "./native.mjs";
import { choosePorts } from "./ports.mjs";
import { closeProcesses, describeExit, help, isAlive, startMark, tail } from "./processes.mjs";
import { createProgress } from "./progress.mjs";
import { lookForRunning } from "./running.mjs";
import { environmentOf, METRICS_PORTS, startServices } from "./services.mjs";
import { openState } from "./state.mjs";
import { stopState } from "./stop.mjs";
import { createVoice, elapsedS } from "./voice.mjs";

const say = createVoice();
/** Looks after what runs; null until all is up, and while nobody is attached. */
let watching = null;

/** Brings everything up; returns only when told to stop, or, detached, when all is healthy. */
export async function runStart({ demo, detach }) {
  const state = openState();
  let ending = null;
  const end = () => {
    clearInterval(watching);
    closeProcesses();
    ending ??= stopState(state.get(), say).finally(state.remove);
    return ending;
  };
  const told = new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, resolve);
  });
  try {
    const working = useOrBringUp({ state, demo, detach });
    const how = await Promise.race([working, told.then(() => "told")]);
    if (how === "used") return;
    if (how === "up" && detach) process.exit(0);
    if (how === "up") await told;
    if (state.get().mode !== undefined) say("vigie", "stopping");
    working.catch(() => {}); // What was under way fails now, as it should.
    await end();
    process.exit(how === "up" ? 0 : 130); // 128 + SIGINT, as shells say it
  } catch (error) {
    console.error(`\n${explain(error)}\n`);
    await end();
    process.exit(1);
  }
}

async function useOrBringUp({ state, demo, detach }) {
  if (await useRunning({ demo })) return "used";
  await bringUp({ state, demo, detach });
  return "up";
}

/**
 * Deals with what an earlier start left. All healthy: only the scenario runs, and true comes back.
 * Remains of a start that was killed: they are ended first.
 */
async function useRunning({ demo }) {
  const { kind, old } = await lookForRunning({
    waits: ({ edge }) =>
      say("vigie", `runs here already, but ${edge} gives no good answer yet; waiting`),
  });
  switch (kind) {
    case "nothing":
      return false;
    case "well": {
      say("vigie", `runs here already: ${old.edge} (npm stop ends it)`);
      if (!demo) return true;
      const environment = environmentOf({
        addresses: old,
        secrets: ensureKeys(),
        env: process.env,
      });
      await runScript("scripts/demo.ts", environmentFor(environment, old.edge));
      return true;
    }
    case "starting":
      throw new Problem("Another npm start is at work here.", "Wait for it, or end it:  npm stop");
    case "broken":
      throw new Problem(
        "Vigie runs here, but not all of it.",
        `See ${LOGS}, and end it:  npm stop`,
      );
    case "unwell":
      throw new Problem(
        `Vigie runs here, but ${old.edge}/healthz gives no good answer.`,
        `See what it lacks there, and ${LOGS}. To end it:  npm stop`,
      );
    default:
      say("vigie", "ending what an earlier start left");
      await stopState(old, say);
      return false;
  }
}

async function bringUp({ state, demo, detach }) {
  checkNode();
  checkRoom();
  const docker = await dockerAnswers();
  if (!docker) checkNative();
  const ports = await choosePorts({
    floating: [...(docker ? DOCKER_PORTS : INNER_PORTS), ...METRICS_PORTS],
    file: join(HOME, "ports.json"),
    env: process.env,
  });
  state.set({
    mode: docker ? "docker" : "native",
    runner: { pid: process.pid, startedAt: startMark(process.pid) },
  });
  const secrets = ensureKeys();
  const meter = createProgress(say);
  const installed = install({ say, progress: meter.progress });
  const stack = {
    ports,
    data: join(HOME, "data"),
    logs: LOGS,
    password: secrets.databasePassword,
    durable: true,
    say,
    progress: meter.progress,
    register: state.add,
    installed,
  };
  const starting = docker ? startDocker(stack) : startNative(stack);
  const environment = await provision({ starting, installed, secrets, state });
  meter.stop();
  const services = await startServices({ environment, ports, register: state.add, say });
  state.set({ edge: services.edge, geo: services.geo, services });
  say("vigie", `up and healthy after ${elapsedS().toFixed(1)} s`);
  if (demo) await runScript("scripts/demo.ts", environmentFor(environment, services.edge));
  tellWhereToGo(services, detach);
  if (!detach) watch(state, environment);
}

function tellWhereToGo({ edge, geo }, detach) {
  console.log(`
  Where to go next
    ${edge}/docs   every route; README.md shows how to send an event of your own
    ${geo}/docs   the same for countries, places, consent and USSD
    npm run token -- --tenant molam-sn --user me   a token for it
    .vigie/log/NAME.log, .vigie/stack.json   what each part says, and where it listens
    ${detach ? "npm stop" : "Ctrl-C"}   ends everything; the data is kept
`);
}

/**
 * Topics and tables while the registry, the slowest, still starts; its schemas when it answers.
 * Returns: the environment of everything that works on these servers.
 */
async function provision({ starting, installed, secrets, state }) {
  const environmentNow = (addresses) => environmentOf({ addresses, secrets, env: process.env });
  await installed;
  const [kafka, postgres] = await Promise.all([starting.kafka, starting.postgres]);
  const early = environmentNow({ kafka, postgres });
  const [addresses] = await Promise.all([
    allAddresses(starting),
    runScript("scripts/provision.ts", early, { name: "provision", args: ["topics", "tables"] }),
  ]);
  state.set(addresses);
  const environment = environmentNow(addresses);
  await runScript("scripts/provision.ts", environment, { name: "provision", args: ["schemas"] });
  return environment;
}

const environmentFor = (environment, edge) => ({ ...environment, VIGIE_EDGE_URL: edge ?? "" });

/** Runs a script of ours to its end; with a `name`, its lines are said under it. */
function runScript(script, environment, { name = null, args = [] } = {}) {
  return new Promise((resolve, reject) => {
    const options = {
      cwd: ROOT,
      env: environment,
      stdio: ["ignore", name ? "pipe" : "inherit", "pipe"],
    };
    const child = help(spawn(PINNED_NODE, [join(ROOT, script), ...args], options));
    let complaint = "";
    if (name) createInterface({ input: child.stdout }).on("line", (line) => say(name, line));
    child.stderr.setEncoding("utf8").on("data", (text) => {
      complaint = (complaint + text).slice(-4_000);
    });
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Problem(`${script} failed (${describeExit({ code, signal })}).`, complaint));
    });
  });
}

/** Prints one line an anomaly, and says when a process ends that should not. */
function watch(state, environment) {
  void runScript("scripts/follow.ts", environment, { name: "anomaly" }).catch(() => {});
  const known = new Set();
  watching = setInterval(() => {
    for (const record of state.get().processes) {
      if (known.has(record.pid) || isAlive(record)) continue;
      known.add(record.pid);
      say(record.name, `ended. Its log, ${record.log}, ends with:\n${tail(record.log)}`);
    }
  }, 1_000);
}
