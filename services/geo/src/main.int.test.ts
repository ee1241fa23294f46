import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DAY_MS } from "@vigie/core/time";
import { tinyMmdb } from "@vigie/geoip/tiny-mmdb";
import type { Facts } from "@vigie/service-kit/health";
import { eventually } from "@vigie/testkit/eventually";
import { processEnv } from "@vigie/testkit/process-env";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll, test } from "vitest";

/** The service as it runs: one process, configured by its environment, told what to do by signals. */

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const folder = mkdtempSync(join(tmpdir(), "vigie-geo-"));
const keysFile = join(folder, "keys.json");

let servers: ServiceStack;
/** Whatever fails, they go at the end. */
const processes: ChildProcess[] = [];

beforeAll(async () => {
  const key = { id: "k1", active_from: "2026-01-01T00:00:00Z" };
  const keys = [{ ...key, secret: randomBytes(32).toString("base64") }];
  writeFileSync(keysFile, JSON.stringify({ keys }), { mode: 0o600 });
  servers = await serviceStack();
});
afterAll(async () => {
  for (const child of processes) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
  await servers.close();
});

const environment = (overrides: Record<string, string>): NodeJS.ProcessEnv => ({
  ...servers.env,
  ...processEnv,
  PORT: "0",
  HOST: "127.0.0.1",
  VIGIE_STATE_DIR: folder,
  VIGIE_KEYS_FILE: keysFile,
  JWT_PUBLIC_KEY: publicKey.export({ type: "spki", format: "pem" }).toString(),
  ...overrides,
});

async function start(overrides: Record<string, string> = {}) {
  const options = { env: environment(overrides), stdio: ["ignore", "pipe", "inherit"] as const };
  const child = spawn(process.execPath, [MAIN], { ...options, stdio: [...options.stdio] });
  const lines: string[] = [];
  processes.push(child);
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    const said = JSON.parse(line);
    if (said.event === "listening") listening.resolve(said.url);
  });
  child.once("exit", (code) =>
    listening.reject(new Error(`it ended with ${code}: ${lines.join("\n")}`)),
  );
  const url = await listening.promise;
  return {
    child,
    url,
    lines,
    async stop() {
      child.kill("SIGTERM");
      assert.deepEqual(await once(child, "exit"), [0, null], lines.join("\n"));
    },
  };
}

type Service = Awaited<ReturnType<typeof start>>;

interface Report {
  readonly status: string;
  readonly parts: Readonly<Record<string, { readonly status: string; readonly facts?: Facts }>>;
}

const jsonOf = async <T>(answer: Promise<Response>): Promise<T> =>
  (await (await answer).json()) as T;

const reportOf = ({ url }: Service): Promise<Report> => jsonOf(fetch(`${url}/health`));

const down = ({ parts }: Report): string[] =>
  Object.entries(parts).flatMap(([name, { status }]) => (status === "up" ? [] : [name]));

async function checked(overrides: Record<string, string>) {
  const child = spawn(process.execPath, [MAIN, "--check-config"], {
    env: environment(overrides),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const [code] = (await once(child, "close")) as [number];
  return { code, text };
}

test("CNF-16: it comes up whole, describes itself, and stops in order", async () => {
  const service = await start();
  await eventually(async () => assert.deepEqual(down(await reportOf(service)), []));
  const described = await jsonOf<{ info: { title: string } }>(fetch(`${service.url}/docs/json`));
  assert.equal(described.info.title, "Vigie geo");
  await service.stop();
});

/** Of every service, or of the runtime. Source: packages/service-kit, prom-client. */
const SHARED = /^(vigie_(?!geo_)|process_|nodejs_|http_request_)/;

test("OBS-04: its metrics are there before anything happens, and in docs/operations.md", async () => {
  const service = await start();
  const text = await (await fetch(`${service.url}/metrics`)).text();
  await service.stop();
  const names = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => String(name));
  for (const name of [
    "http_requests_total",
    "geo_lookups_total",
    "fraud_detections_total",
    "gps_captures_total",
    "gps_purged_total",
    "ussd_callbacks_total",
    "ussd_sessions_total",
    "geoip_database_age_seconds",
  ]) {
    assert.ok(names.includes(name), `${name} is not among ${names}`);
  }
  const page = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");
  const untold = names.filter((name) => !SHARED.test(name) && !page.includes(`\`${name}`));
  assert.deepEqual(untold, []);
});

test("with PostgreSQL and Redis away it answers all the same, and health names them", async () => {
  const service = await start({
    DATABASE_URL: "postgres://nobody:none@127.0.0.1:1/none",
    REDIS_URL: "redis://127.0.0.1:1",
  });
  await eventually(async () => {
    const report = await reportOf(service);
    assert.equal(report.status, "degraded", JSON.stringify(report));
    for (const part of ["database", "redis"]) assert.ok(down(report).includes(part), part);
  });
  const countries = await fetch(`${service.url}/v1/geo/countries`);
  assert.equal(countries.status, 200);
  const detected = fetch(`${service.url}/v1/geo/detect`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ phone: "+221771234567" }),
  });
  assert.equal((await jsonOf<{ country: string }>(detected)).country, "SN");
  await service.stop();
});

/** Puts databases of one city and one network for 41.0.0.0/8 in place, as the updater does. */
function place(where: string, city: string, builtAtMs: number): void {
  const location = { latitude: 14.7, longitude: -17.4, accuracy_radius: 20 };
  const records = {
    "GeoLite2-City": { city: { names: { en: city } }, country: { iso_code: "SN" }, location },
    "GeoLite2-ASN": { autonomous_system_number: 8_346, autonomous_system_organization: "SONATEL" },
  };
  for (const [type, record] of Object.entries(records)) {
    const file = join(where, `${type}.mmdb`);
    writeFileSync(`${file}.new`, tinyMmdb([{ prefix: "00101001", record }], { type, builtAtMs }));
    renameSync(`${file}.new`, file);
  }
}

test("GEO-15: databases that are replaced are answered from without a restart, and their age is told", async () => {
  const MAXMIND_DB_PATH = mkdtempSync(join(folder, "maxmind-"));
  place(MAXMIND_DB_PATH, "Thiès", Date.now() - 9 * DAY_MS);
  const service = await start({ MAXMIND_DB_PATH });
  const cityNow = async (): Promise<string> => {
    const answer = fetch(`${service.url}/v1/geo/detect`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ip: "41.82.0.1" }),
    });
    return (await jsonOf<{ geoData: { city: string } }>(answer)).geoData.city;
  };
  const ageDays = async (): Promise<number> => {
    const text = await (await fetch(`${service.url}/metrics`)).text();
    const [, seconds] = /^geoip_database_age_seconds\{database="city"\} (.+)$/m.exec(text) ?? [];
    return Math.floor((Number(seconds) * 1_000) / DAY_MS);
  };
  assert.equal(await cityNow(), "Thiès");
  assert.equal(await ageDays(), 9);
  place(MAXMIND_DB_PATH, "Dakar", Date.now() - 2 * DAY_MS);
  const seen = new Set<string>();
  await eventually(async () => {
    seen.add(await cityNow());
    assert.ok(seen.has("Dakar"));
  });
  assert.deepEqual([...seen], ["Thiès", "Dakar"]);
  assert.equal(await ageDays(), 2);
  const { facts } = (await reportOf(service)).parts.geoip ?? {};
  assert.equal(facts?.city_age_days, 2);
  const answer = fetch(`${service.url}/v1/geo/attribution`);
  const { credits } = await jsonOf<{ credits: { name: string }[] }>(answer);
  assert.equal(credits[0]?.name, "MaxMind");
  await service.stop();
});

test("every fault of the configuration is said at once, before anything starts", async () => {
  const sound = await checked({});
  assert.equal(sound.code, 0, sound.text);
  const { code, text } = await checked({
    NODE_ENV: "production",
    VIGIE_KEYS_FILE: "/nowhere/keys.json",
    RATE_LIMIT_ADDRESS_PER_MINUTE: "0",
    ENV: "test",
  });
  assert.equal(code, 78, text);
  for (const name of ["VIGIE_KEYS_FILE", "RATE_LIMIT_ADDRESS_PER_MINUTE", "ENV"]) {
    assert.match(text, new RegExp(`^ *${name} `, "m"));
  }
});
