import { spawn } from "node:child_process";
import {
  createWriteStream,
  mkdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  INSTALL_LOCK as LOCK,
  LOGS,
  megabytes,
  PINNED_NODE,
  Problem,
  ROOT,
  sleep,
  TOOLS,
} from "./base.mjs";
import { exists, help, isAlive, startMark, tail } from "./processes.mjs";

/** Dependencies, broker, registry, PostgreSQL, Redis and the data of a day's work. */
const ROOM_BYTES = 3 * 1024 ** 3;
const NODE_MIN = 20;
const LOG = join(LOGS, "npm.log");

export function checkNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= NODE_MIN) return;
  throw new Problem(
    `Node ${NODE_MIN} or newer is needed; this is ${process.versions.node}.`,
    "https://nodejs.org/en/download",
  );
}

/** Throws: Problem when the first set-up would not fit on the disk. */
export function checkRoom() {
  if (isInstalled() && exists(TOOLS)) return;
  const { bavail, bsize } = statfsSync(ROOT);
  if (bavail * bsize >= ROOM_BYTES) return;
  throw new Problem(
    `There is no room: ${megabytes(bavail * bsize)} are free on the disk of ${ROOT}, ` +
      `the first start needs ${megabytes(ROOM_BYTES)}.`,
    "Make room, or clone Vigie to another disk.",
  );
}

/**
 * True when node_modules holds what package-lock.json names. npm writes what it installed into
 * node_modules/.package-lock.json when it is done, so an interrupted install is seen too.
 */
export function isInstalled() {
  try {
    const wanted = readPackages(join(ROOT, "package-lock.json"));
    const present = readPackages(join(ROOT, "node_modules", ".package-lock.json"));
    return exists(PINNED_NODE) && fits(wanted, present);
  } catch {
    return false;
  }
}

const readPackages = (file) => JSON.parse(readFileSync(file, "utf8")).packages;

/** Whether `present` has every package that `wanted` names, in its version; optional ones may be missing. */
export function fits(wanted, present) {
  return Object.entries(wanted).every(([path, entry]) => isPresent(path, entry, present));
}

function isPresent(path, wanted, present) {
  if (!path.includes("node_modules/")) return true; // The root and the workspaces themselves.
  const found = present[path];
  if (found === undefined) return wanted.optional === true;
  return found.version === wanted.version;
}

/** Installs the dependencies when they are missing or stale. Throws: Problem with npm's last words. */
export async function install({ say }) {
  if (isInstalled()) return;
  await withLock(say, async () => {
    if (isInstalled()) return; // Whoever held the lock has done it.
    const first = !exists(PINNED_NODE);
    say(
      "dependencies",
      `npm install ${first ? "(about 330 MB, once)" : "(the lock file changed)"}`,
    );
    // Not "npm ci": it empties node_modules first, under the feet of services that run.
    const code = await npm(["install", "--no-save"]);
    if (code !== 0 || !isInstalled()) throw installFailed(code);
    say("dependencies", "installed");
  });
}

function npm(args) {
  mkdirSync(LOGS, { recursive: true });
  const log = createWriteStream(LOG);
  return new Promise((resolve, reject) => {
    const child = help(spawn("npm", args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] }));
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once("error", reject);
    child.once("close", (code) => log.end(() => resolve(code)));
  });
}

function installFailed(code) {
  const why =
    code === 0 ? "npm ended well, but node_modules does not fit the lock file" : tail(LOG);
  return new Problem(
    `The dependencies could not be installed (npm install, exit code ${code}).`,
    `Is the network there? What was downloaded is kept. npm says:\n${why}`,
  );
}

/** One install at a time: two npm processes in one folder break each other's work. */
async function withLock(say, work) {
  mkdirSync(dirname(LOCK), { recursive: true });
  for (let waits = 0; !takeLock(); waits++) {
    if (waits === 0) say("dependencies", "another command is installing; waiting for it");
    await sleep(200);
  }
  try {
    await work();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function takeLock() {
  const me = { pid: process.pid, startedAt: startMark(process.pid) };
  try {
    writeFileSync(LOCK, JSON.stringify(me), { flag: "wx" });
    return true;
  } catch {
    const holder = readLock();
    if (holder === null || isAlive(holder)) return false;
    rmSync(LOCK, { force: true }); // Its holder was killed.
    return takeLock();
  }
}

function readLock() {
  try {
    return JSON.parse(readFileSync(LOCK, "utf8"));
  } catch {
    return null; // Released, or being written, at this very moment.
  }
}
