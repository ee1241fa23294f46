import { stopDocker } from "./docker.mjs";
import { goneWithin, isAlive, stopAll } from "./processes.mjs";
import { living, readState, removeState } from "./state.mjs";
import { reapTestStacks } from "./test-stack.mjs";

/** The runner stops its children in order; after this long we do it ourselves. */
const RUNNER_MS = 40_000;
/** Servers that others write to until they end; what is not named here ends before them. */
const SERVERS_LAST = ["registry", "kafka", "redis", "postgres"];

/** Ends what .vigie/stack.json names, and test stacks whose owner is gone. */
export async function stopVigie({ say }) {
  await reapTestStacks();
  const state = readState();
  if (state === null) {
    say("vigie", "nothing runs here");
    return;
  }
  const { runner } = state;
  if (runner && runner.pid !== process.pid && isAlive(runner)) {
    say("vigie", "asking npm start to end");
    process.kill(runner.pid, "SIGTERM");
    await goneWithin(runner, RUNNER_MS);
  }
  const left = readState();
  if (left !== null) await stopState(left, say);
  removeState();
  say("vigie", "stopped; the data is kept");
}

/** Ends the processes of a state: services first, then the registry, then what it and they wrote to. */
export async function stopState(state, say) {
  const alive = living(state);
  const servers = new Set(SERVERS_LAST);
  const waves = [
    alive.filter(({ name }) => !servers.has(name)),
    alive.filter(({ name }) => name === "registry"),
    alive.filter(({ name }) => servers.has(name) && name !== "registry"),
  ];
  for (const wave of waves) {
    if (wave.length === 0) continue;
    say("stopping", wave.map(({ name }) => name).join(", "));
    const killed = await stopAll(wave);
    if (killed.length > 0) say("stopping", `${killed.join(", ")} did not end and had to be killed`);
  }
  if (state.mode === "docker") await stopDocker();
}
