import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { choosePorts, freePort, freePorts, tryPort } from "./ports.mjs";

const servers: Server[] = [];
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  for (const server of servers.splice(0)) server.close();
});

function occupy(port: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  return new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
}

async function given() {
  const { kafka, registry, edge, geo } = await freePorts(["kafka", "registry", "edge", "geo"]);
  const folder = mkdtempSync(join(tmpdir(), "vigie-ports-"));
  folders.push(folder);
  const file = join(folder, "ports.json");
  const env = {
    VIGIE_KAFKA_PORT: String(kafka),
    VIGIE_REGISTRY_PORT: String(registry),
    VIGIE_EDGE_PORT: String(edge),
    VIGIE_GEO_PORT: String(geo),
  };
  return { kafka, registry, edge, file, env };
}

test("a taken port is named with what it is for and the variable that moves it", async () => {
  const { kafka, edge, file, env } = await given();
  await occupy(kafka);
  await occupy(edge);
  const choosing = choosePorts({ floating: [], file, env });
  await expect(choosing).rejects.toThrow(`Port ${kafka} (kafka) is in use`);
  await expect(choosing).rejects.toThrow(`Port ${edge} (edge) is in use`);
  await expect(choosing).rejects.toThrow(/VIGIE_KAFKA_PORT=\d+ VIGIE_EDGE_PORT=\d+/);
});

test("free ports are remembered from start to start, until somebody else takes one", async () => {
  const { file, env } = await given();
  const first = await choosePorts({ floating: ["redis", "postgres"], file, env });
  expect(await choosePorts({ floating: ["redis", "postgres"], file, env })).toEqual(first);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(first);
  await occupy(first.redis);
  const second = await choosePorts({ floating: ["redis", "postgres"], file, env });
  expect(second.postgres).toBe(first.postgres);
  expect(second.redis).not.toBe(first.redis);
});

test("free ports are outside the range of outgoing connections, and differ", async () => {
  const range = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  const outgoingFrom = Number(range.split(/\s+/)[0]);
  const ports: number[] = Object.values(await freePorts(["a", "b", "c", "d"]));
  expect(new Set(ports).size).toBe(4);
  for (const port of ports) expect(port).toBeLessThan(outgoingFrom);
});

test("a port that is none is refused by the name of its variable", async () => {
  const { file, env } = await given();
  const choosing = choosePorts({ floating: [], file, env: { ...env, VIGIE_EDGE_PORT: "70000" } });
  await expect(choosing).rejects.toThrow("VIGIE_EDGE_PORT is 70000");
});

test("a port is seen as taken while somebody listens", async () => {
  const { kafka } = await given();
  expect(await tryPort(kafka)).toBe(kafka);
  await occupy(kafka);
  expect(await tryPort(kafka)).toBeNull();
});

test("a port that was given away is given to nobody else, though nothing listens there yet", async () => {
  const ports: (number | null)[] = [];
  // Drawn without regard to each other, two of so many would be the same in 99 of 100 runs.
  for (let n = 0; n < 350; n++) ports.push(await freePort());
  expect(new Set(ports).size).toBe(ports.length);
});

const PORTS = new URL("./ports.mjs", import.meta.url).href;
const CLAIMS = `vigie-ports-${process.getuid?.() ?? "all"}`;

/** What another process, with that temporary folder, is given when it draws these, one after the other. */
function givenElsewhere(temporary: string, draws: readonly number[]): number {
  const script = `
    import crypto from "node:crypto";
    import { syncBuiltinESMExports } from "node:module";
    const draws = ${JSON.stringify(draws)};
    crypto.randomInt = () => draws.length > 1 ? draws.shift() : draws[0];
    syncBuiltinESMExports();
    const { freePort } = await import(${JSON.stringify(PORTS)});
    console.log(await freePort());`;
  const args = ["--input-type=module", "-e", script];
  const env = { ...process.env, TMPDIR: temporary };
  const { stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  expect(stderr).toBe("");
  return Number(stdout);
}

async function temporaryAndPorts() {
  const temporary = mkdtempSync(join(tmpdir(), "vigie-claims-"));
  folders.push(temporary);
  const { a, b } = await freePorts(["a", "b"]);
  return { temporary, claims: join(temporary, CLAIMS), a, b };
}

test("a port that another process has is given away again once that process is gone", async () => {
  const { temporary, claims, a, b } = await temporaryAndPorts();
  mkdirSync(claims);
  writeFileSync(join(claims, String(a)), String(process.pid));
  expect(givenElsewhere(temporary, [a, b])).toBe(b);
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  writeFileSync(join(claims, String(a)), String(pid));
  expect(givenElsewhere(temporary, [a, b])).toBe(a);
  // Nor does an end in order leave a claim.
  expect(readdirSync(claims)).toEqual([]);
});

test("ports are given without a folder for claims, too, and nothing is written through a link", async () => {
  const { temporary, claims, a, b } = await temporaryAndPorts();
  writeFileSync(claims, "");
  expect(givenElsewhere(temporary, [a, b])).toBe(a);
  expect(givenElsewhere(join(temporary, "none", "\u0001".repeat(300)), [a, b])).toBe(a);
  rmSync(claims);
  const target = join(temporary, "target");
  mkdirSync(target);
  writeFileSync(join(temporary, "precious"), "precious");
  symlinkSync("../precious", join(target, String(a)));
  symlinkSync(target, claims);
  expect(givenElsewhere(temporary, [a, b])).toBe(a);
  expect(readdirSync(target)).toEqual([String(a)]);
  rmSync(claims);
  mkdirSync(claims);
  symlinkSync("../precious", join(claims, String(a)));
  expect(givenElsewhere(temporary, [a, b])).toBe(a);
  expect(readFileSync(join(temporary, "precious"), "utf8")).toBe("precious");
});
