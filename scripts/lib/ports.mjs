import { randomInt } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Problem } from "./base.mjs";

/** Ports that people and configurations know; an environment variable moves each. */
const FIXED = {
  kafka: { port: 9092, variable: "VIGIE_KAFKA_PORT" },
  registry: { port: 8081, variable: "VIGIE_REGISTRY_PORT" },
  edge: { port: 3034, variable: "VIGIE_EDGE_PORT" },
  geo: { port: 3009, variable: "VIGIE_GEO_PORT" },
};

/** Below are ports that people know by heart. */
const FREE_FROM = 20_000;
const FREE_TRIES = 100;

/**
 * A port that nobody listens on, outside the range from which the kernel serves outgoing connections:
 * one of those could take it before the server that it is meant for has come up. Nor does another process of ours
 * get it while this one runs, though nothing listens there yet, or nothing for a moment.
 */
export async function freePort() {
  const below = outgoingFrom();
  for (let tries = 0; below > FREE_FROM && tries < FREE_TRIES; tries++) {
    const wanted = randomInt(FREE_FROM, below);
    if (!claim(wanted)) continue;
    const port = await tryPort(wanted);
    if (port !== null) return port;
  }
  return tryPort(0);
}

/** A file for each port that was given away, with the process that has it. */
const CLAIMS = join(tmpdir(), `vigie-ports-${process.getuid?.() ?? "all"}`);
const claimed = [];

/** False: a process that runs has it. */
function claim(port) {
  if (!hasClaims()) return true;
  const file = join(CLAIMS, String(port));
  if (isRunning(readClaim(file))) return false;
  try {
    // A dead one's. Two that take it at once are as likely as two that draw the same number.
    rmSync(file, { force: true });
    writeFileSync(file, String(process.pid), { flag: "wx" });
  } catch (error) {
    return error.code !== "EEXIST";
  }
  if (claimed.length === 0) process.once("exit", forgetClaims);
  claimed.push(file);
  return true;
}

/**
 * False: there is no such folder of our own, so ports are given without claims. Its name can be guessed: what another
 * user has put there first is not to decide where we write.
 */
function hasClaims() {
  try {
    mkdirSync(CLAIMS, { recursive: true, mode: 0o700 });
    const found = lstatSync(CLAIMS);
    return found.isDirectory() && found.uid === (process.getuid?.() ?? found.uid);
  } catch {
    return false;
  }
}

function forgetClaims() {
  for (const file of claimed) rmSync(file, { force: true });
}

function readClaim(file) {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0;
  }
}

function isRunning(pid) {
  if (pid === 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Source: ip(7), ip_local_port_range; 32768 is its default. */
function outgoingFrom() {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/)[0]);
  } catch {
    return 32_768;
  }
}

/** Resolves with the port, or null when something listens there. 0 asks for any free one. */
export function tryPort(port, host = "127.0.0.1") {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, host, () => {
      const { port: got } = server.address();
      server.close(() => resolve(got));
    });
  });
}

/**
 * Ports for one stack: the fixed ones, then free ones for `floating`, remembered in `file` so that
 * addresses stay the same from start to start as long as nobody else has taken them.
 * Throws: Problem that names every fixed port in use, what holds it, and the variable that moves it.
 * @returns {Promise<any>} ports by name
 */
export async function choosePorts({ floating, file, env }) {
  const ports = {};
  const taken = [];
  for (const [name, { port: usual, variable }] of Object.entries(FIXED)) {
    const port = wantedPort(env[variable], variable) ?? usual;
    ports[name] = port;
    if ((await tryPort(port)) === null) taken.push({ name, port, variable });
  }
  if (taken.length > 0) throw portsTaken(taken);
  const remembered = readRemembered(file);
  for (const name of floating) {
    const port = remembered[name];
    ports[name] = (port && (await tryPort(port))) || (await freePort());
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(ports, null, 2)}\n`);
  return ports;
}

/**
 * Free ports for a stack of tests.
 * @returns {Promise<any>} ports by name
 */
export async function freePorts(names) {
  const ports = {};
  for (const name of names) {
    do ports[name] = await freePort();
    while (Object.entries(ports).some(([other, port]) => other !== name && port === ports[name]));
  }
  return ports;
}

function wantedPort(text, variable) {
  if (text === undefined || text === "") return null;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Problem(`${variable} is ${text}, expected a port from 1 to 65535.`);
}

function readRemembered(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return {};
  }
}

function portsTaken(taken) {
  const lines = taken.map(({ name, port }) => {
    const holder = holderOf(port);
    return `Port ${port} (${name}) is in use${holder === null ? "" : ` by ${holder}`}.`;
  });
  const moves = taken.map(({ variable, port }) => `${variable}=${port + 10_000}`).join(" ");
  return new Problem(
    lines.join("\n"),
    `Stop what uses it, or move Vigie:  ${moves} npm start\nA Vigie that runs here is ended by:  npm stop`,
  );
}

/** The process that listens on a port, as Linux shows it, or null when that cannot be seen. */
function holderOf(port) {
  try {
    const inodes = listeningInodes(port);
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      if (holdsOne(pid, inodes)) {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return `process ${pid} (${command.slice(0, 120)})`;
      }
    }
  } catch {
    // Not Linux, or /proc is closed to us: the port's number says enough.
  }
  return null;
}

function listeningInodes(port) {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const inodes = new Set();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readFileSync(table, "utf8").split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      const LISTEN = "0A";
      if (fields[1]?.endsWith(`:${hex}`) && fields[3] === LISTEN) inodes.add(fields[9]);
    }
  }
  return inodes;
}

function holdsOne(pid, inodes) {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return inodes.has(/^socket:\[(\d+)\]$/.exec(target)?.[1]);
    });
  } catch {
    return false; // Another user's process, or one that has just ended.
  }
}
