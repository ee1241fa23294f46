import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FOLDER = join(ROOT, ".vigie");
/** What runs here, its keys, logs and data; VIGIE_HOME puts them elsewhere, for a second Vigie beside the first. */
export const HOME = process.env.VIGIE_HOME || FOLDER;
/** What was downloaded and unpacked; kept, and shared by all stacks. */
export const TOOLS = join(FOLDER, "native");
/** What Node has compiled of our sources: a service starts in half the CPU time when it is there. */
export const COMPILED = join(FOLDER, "compiled");
/** Held while node_modules, of which there is one, changes. */
export const INSTALL_LOCK = join(FOLDER, "install.lock");
export const LOGS = join(HOME, "log");
/**
 * What every process of ours is started with, unless told otherwise. glibc gives each thread a heap of its own and seldom
 * takes a freed one back: with two in place of up to eight a core the detector takes 80 MB less, at the same speed.
 * Source: mallopt(3), M_ARENA_MAX.
 */
export const PROCESS_SETTINGS = { MALLOC_ARENA_MAX: "2", NODE_COMPILE_CACHE: COMPILED };
export const PINNED_NODE = join(ROOT, "node_modules", ".bin", "node");

/** Something a person has to put right: what is wrong, and what to do. Printed without a stack. */
export class Problem extends Error {
  constructor(what, todo = "") {
    super(todo === "" ? what : `${what}\n  ${todo.replaceAll("\n", "\n  ")}`);
    this.name = "Problem";
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const megabytes = (bytes) => `${Math.round(bytes / 1_000_000)} MB`;

/** Prints `thrown` for a person: a Problem as its message, anything else with its stack. */
export function explain(thrown) {
  if (thrown instanceof Problem) return thrown.message;
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
