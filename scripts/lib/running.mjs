import { sleep } from "./base.mjs";
import { isAlive } from "./processes.mjs";
import { answersOk } from "./registry.mjs";
import { living, readState } from "./state.mjs";

/** On a busy machine an edge that is well takes longer than a second now and then. */
const ANSWER_MS = 30_000;
const SOON_MS = 1_000;
/** One ask: a process beside a hung edge may end meanwhile. */
const ASK_MAX_MS = 5_000;
const ASK_MS = 250;

/**
 * What an earlier start left. Its state is read anew before every look, since it may end while its edge is waited for.
 * Returns: {kind, old}, old as readState gives it. nothing: nothing runs. well: all of it runs, and its edge answers.
 * starting: another start is at work. broken: a start watches it, and not all of it runs any more. unwell: the same, all
 * of it runs, but its edge gave no good answer for `answerMs`. remains: its start is gone, and not all of it is well.
 */
export async function lookForRunning({
  read = readState,
  answerMs = ANSWER_MS,
  waits = (_old) => {},
} = {}) {
  const endMs = performance.now() + answerMs;
  for (let patienceMs = SOON_MS; ; patienceMs = ASK_MAX_MS) {
    const old = read();
    const alive = living(old);
    if (old === null || (alive.length === 0 && old.mode !== "docker"))
      return { kind: "nothing", old };
    const isWhole = old.edge !== undefined && alive.length === old.processes.length;
    const leftMs = endMs - performance.now();
    if (!isWhole || leftMs <= 0) {
      if (!old.runner || !isAlive(old.runner)) return { kind: "remains", old };
      if (isWhole) return { kind: "unwell", old };
      return { kind: old.edge === undefined ? "starting" : "broken", old };
    }
    if (await answersOk(`${old.edge}/healthz`, Math.min(patienceMs, leftMs)))
      return { kind: "well", old };
    if (patienceMs === SOON_MS) waits(old);
    await sleep(ASK_MS);
  }
}
