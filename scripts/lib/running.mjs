import { sleep } from "./base.mjs";
import { answersOk, isAlive } from "./processes.mjs";
import { living, readState } from "./state.mjs";

/** An edge that is well answers within this even on a busy machine. */
const ANSWER_MS = 30_000;
/** Of the first ask: as long as a person waits without a word. */
const SOON_MS = 1_000;
/** Of each later one: a process beside a hung edge may end meanwhile. */
const ASK_MAX_MS = 5_000;
const PAUSE_MS = 250;

/**
 * What an earlier start left. Its state is read anew before every look, since it may end while its edge is waited for.
 * Returns: {kind, old}, old as readState gives it. nothing: nothing runs. well: all of it runs, and its edge answers.
 * remains: its start is gone, and it is not well. While its start lives: starting (its edge has no address yet), broken
 * (a part of it has ended) or unwell (all of it runs, but its edge gave no good answer for `answerMs`).
 * `waits` is called once, when the first ask had no good answer.
 */
export async function lookForRunning({
  read = readState,
  answerMs = ANSWER_MS,
  waits = (_old) => {},
} = {}) {
  const endMs = performance.now() + answerMs;
  for (let asked = 0; ; asked += 1) {
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
    const patienceMs = Math.min(asked === 0 ? SOON_MS : ASK_MAX_MS, leftMs);
    if (await answersOk(`${old.edge}/healthz`, patienceMs)) return { kind: "well", old };
    if (asked === 0) waits(old);
    await sleep(PAUSE_MS);
  }
}
