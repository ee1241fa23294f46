import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { HOME } from "./base.mjs";
import { isAlive } from "./processes.mjs";

/** Addresses in use and the processes behind them; there while Vigie runs. */
export const STACK_FILE = join(HOME, "stack.json");

/**
 * A file that says what runs, rewritten whole at every change, so that whatever happens to us the
 * next command finds every process that we began.
 */
export function openState(file = STACK_FILE) {
  const state = { processes: [] };
  let saved = false;
  const save = () => {
    mkdirSync(dirname(file), { recursive: true });
    const { processes, ...addresses } = state;
    const text = JSON.stringify({ ...addresses, processes }, null, 2);
    const partial = `${file}.${process.pid}`;
    writeFileSync(partial, `${text}\n`, { mode: 0o600 });
    renameSync(partial, file);
    saved = true;
  };
  return {
    set(fields) {
      Object.assign(state, fields);
      save();
    },
    add({ record }) {
      state.processes.push(record);
      save();
    },
    get: () => state,
    /** Leaves alone a file that somebody else has written. */
    remove() {
      if (saved) removeState(file);
    },
  };
}

/** What a state file says, or null when there is none. */
export function readState(file = STACK_FILE) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

export const removeState = (file = STACK_FILE) => rmSync(file, { force: true });

export const living = (state) => (state?.processes ?? []).filter(isAlive);
