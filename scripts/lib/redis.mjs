import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Problem, TOOLS } from "./base.mjs";
import { execute, exists, launch, waitUntilReady } from "./processes.mjs";

const UNPACKED = join(TOOLS, "redis");
const READY_MS = 20_000;

/** Where redis-server is: on PATH, or unpacked by `fetchRedis`; null when neither. */
export function findRedis() {
  const found = spawnSync("sh", ["-c", "command -v redis-server"], { encoding: "utf8" });
  if (found.status === 0) return { command: found.stdout.trim(), libraries: "" };
  const command = join(UNPACKED, "usr", "bin", "redis-server");
  return exists(command) ? { command, libraries: libraryFolders(UNPACKED).join(":") } : null;
}

/**
 * Redis from the packages of Debian or Ubuntu, unpacked beside us: nothing is installed, no system
 * service begins, and it works without root.
 * Throws: Problem that says what to install where that is not possible.
 */
export async function fetchRedis({ say }) {
  if (findRedis() !== null) return;
  const todo =
    "Debian, Ubuntu:  apt-get install redis-server\nFedora:          dnf install redis\n" +
    "Elsewhere:       https://redis.io/download (7 or newer), with redis-server on PATH";
  const partial = `${UNPACKED}.partial`;
  const said = [];
  const missing = () => {
    const why = said.join("\n").trim().split("\n").slice(-3).join("\n");
    return new Problem("redis-server is not on PATH and cannot be fetched.", `${todo}\n${why}`);
  };
  const run = async (command, args) => {
    const { status, stdout, stderr } = await execute(command, args, { cwd: partial });
    if (status !== 0) said.push(stderr);
    return status === 0 ? stdout : null;
  };
  if (!isCommand("apt-get") || !isCommand("dpkg")) throw missing();
  say("downloads", "Redis, from the distribution's packages (about 2 MB, once)");
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const options = privateApt(partial);
  let names = await packagesOf(options, run);
  if (names.length === 0) {
    await run("apt-get", [...options, "update"]); // An image without package lists.
    names = await packagesOf(options, run);
  }
  if (names.length === 0) throw missing();
  if ((await run("apt-get", [...options, "download", ...names])) === null) throw missing();
  for (const file of readdirSync(partial).filter((name) => name.endsWith(".deb"))) {
    if ((await run("dpkg", ["-x", file, "root"])) === null) throw missing();
  }
  rmSync(UNPACKED, { recursive: true, force: true });
  renameSync(join(partial, "root"), UNPACKED);
  rmSync(partial, { recursive: true, force: true });
  if (findRedis() === null) throw missing();
}

const isCommand = (name) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;

/** Package lists and caches of our own where the system's are empty or closed to us. */
function privateApt(folder) {
  const lists = "/var/lib/apt/lists";
  const filled = exists(lists) && readdirSync(lists).some((name) => name.includes("_Packages"));
  const options = ["-o", "Debug::NoLocking=true", "-o", "APT::Sandbox::User=root"];
  if (filled) return options;
  mkdirSync(join(folder, "lists", "partial"), { recursive: true });
  mkdirSync(join(folder, "cache", "archives", "partial"), { recursive: true });
  const state = ["-o", `Dir::State::lists=${join(folder, "lists")}`];
  return [...options, ...state, "-o", `Dir::Cache=${join(folder, "cache")}`];
}

/** redis-server and what it needs that this machine does not have, by a dry run of the installer. */
async function packagesOf(options, run) {
  const args = [...options, "install", "--simulate", "--no-install-recommends", "redis-server"];
  const plan = (await run("apt-get", args)) ?? "";
  return [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]);
}

/** The folders of `usr/lib/<triplet>` and `lib/<triplet>`, where the packages keep their libraries. */
function libraryFolders(root) {
  return [join(root, "usr", "lib"), join(root, "lib")]
    .filter(exists)
    .flatMap((lib) => readdirSync(lib, { withFileTypes: true }).map((entry) => [lib, entry]))
    .filter(([, entry]) => entry.isDirectory())
    .map(([lib, entry]) => join(lib, entry.name));
}

/** Starts Redis with an append-only file, so that a second start finds the data of the first. */
export async function startRedis({ name = "redis", port, data, log, register, durable }) {
  const { command, libraries } = findRedis();
  const folder = join(data, name);
  mkdirSync(folder, { recursive: true });
  const args = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--daemonize", "no"];
  const keep = durable ? ["--appendonly", "yes"] : ["--save", ""];
  const server = launch({
    name,
    command,
    args: [...args, ...keep].map(String),
    log,
    env: libraries === "" ? process.env : { ...process.env, LD_LIBRARY_PATH: libraries },
  });
  register(server);
  await waitUntilReady(server, () => answersPing(port), READY_MS);
  return `redis://127.0.0.1:${port}`;
}

function answersPing(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    const end = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once("error", () => end(false));
    socket.once("data", (data) => end(String(data).startsWith("+PONG")));
  });
}
