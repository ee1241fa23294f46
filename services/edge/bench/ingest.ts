import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { assert } from "@vigie/core/assert";
import { silentLogger } from "@vigie/core/log";
import { physicalName, topicNames } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import { provisionTopics, registerSchemas } from "@vigie/schemas/provision";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { SignJWT } from "jose";
import { createAdmit } from "../src/ingest/steps/admit-event.ts";
import { bodies } from "./traffic.ts";

/**
 * Authenticated, validated, acknowledged ingest beside a bare Fastify route that produces the same bytes through the
 * same producer: both as they run, each in its own process, the load generator in a third, in alternating rounds.
 * Usage: ingest.ts [--json] [--seconds 5] [--rounds 3] [--connections 64] [--out FILE] [--profile FOLDER]
 * Works on the installation that KAFKA_BROKERS, SCHEMA_REGISTRY_URL and VIGIE_TOPIC_PREFIX name, else on its own.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    connections: { type: "string", default: "64" },
    json: { type: "boolean", default: false },
    out: { type: "string", default: ".vigie/bench/edge-ingest.json" },
    profile: { type: "string" },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);
const connections = Number(options.connections);

/** Compiled code and a warm broker. */
const WARM_UP_SECONDS = 4;
const TENANT = "molam-sn";
const AUDIENCE = "molam-id";
const ISSUER = "https://id.molam.example";

interface Round {
  readonly accepted: number;
  readonly perSecond: number;
  readonly refused: number;
  readonly firstRefusal: string | null;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly generatorCpuShare: number;
}

/** A round, and what the server's process spent on one request: steadier than a rate on a busy machine. */
interface Measured extends Round {
  readonly serverCpuUs: number;
}

interface Server {
  readonly child: ChildProcess;
  readonly url: string;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

async function startServer(
  folder: string,
  file: string,
  env: Record<string, string>,
  input: string,
): Promise<Server> {
  const profiling = options.profile === undefined ? [] : profileFlags(options.profile, file);
  // The log goes to a file: a pipe would make this process work beside what it measures.
  const logPath = join(folder, `${basename(file)}.log`);
  const logFile = await open(logPath, "w");
  const child = spawn(process.execPath, [...profiling, file], {
    env: { ...env, PATH: process.env.PATH },
    stdio: ["pipe", logFile.fd, "inherit"],
  });
  await logFile.close();
  child.stdin?.end(input);
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const url = listeningUrl(await readFile(logPath, "utf8"));
    if (url !== null) return { child, url };
    assert(child.exitCode === null, `${file} runs`);
    assert(performance.now() < deadlineMs, `${file} listens in time`);
    await setTimeout(50);
  }
}

const START_TIMEOUT_MS = 30_000;

function listeningUrl(log: string): string | null {
  const line = log.split("\n").find((text) => text.includes('"event":"listening"'));
  return line === undefined ? null : ((JSON.parse(line) as { url: string }).url ?? null);
}

const profileFlags = (folder: string, file: string): string[] => [
  "--cpu-prof",
  `--cpu-prof-dir=${folder}`,
  `--cpu-prof-name=${file.split("/").at(-1)}.cpuprofile`,
];

async function load(url: string, token: string, forSeconds: number): Promise<Round> {
  const order = JSON.stringify({ url, token, connections, seconds: forSeconds });
  const child = spawn(process.execPath, [here("./load.ts"), order], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, "exit");
  assert(code === 0, "the load generator ends well");
  return JSON.parse(text) as Round;
}

/** CPU time of a process so far. Source: proc(5), fields 14 and 15 in ticks of 10 ms; Linux only, else 0. */
async function cpuMs(child: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${child.pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10;
}

async function measured({ child, url }: Server, token: string): Promise<Measured> {
  const beforeMs = await cpuMs(child);
  const round = await load(url, token, seconds);
  const spentMs = (await cpuMs(child)) - beforeMs;
  const requests = round.accepted + round.refused;
  return { ...round, serverCpuUs: Math.round((spentMs * 1_000) / requests) };
}

function sign(privateKey: KeyObject): Promise<string> {
  const claims = {
    sub: "auth-gateway",
    tenant_id: TENANT,
    type: "access",
    scope: "events:write",
    client_id: "auth-gateway",
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "RS256" })
    .setAudience(AUDIENCE)
    .setIssuer(ISSUER)
    .setIssuedAt()
    .setExpirationTime("10m")
    .sign(privateKey);
}

/** The bytes that the edge makes of each body, for the bare route to produce as they are. */
async function recordsOf(servers: Installation, cacheDir: string): Promise<object[]> {
  const { registry, prefix } = servers;
  const codecs = await openCodecs({ registryUrl: registry, cacheDir, prefix, log: silentLogger });
  const admit = createAdmit(codecs, { maxEventAgeMs: 1e9, maxAheadMs: 1e9 });
  await codecs.ready();
  const caller = {
    tenantId: TENANT,
    subject: "bench",
    kind: "service",
    sessionId: null,
    userType: null,
    orgId: null,
    roles: [],
    scopes: new Set<string>(),
    clientId: "bench",
    limitKey: "bench",
  } as const;
  const nowMs = Date.now();
  const client = () => ({ ip: "127.0.0.1", userAgent: null });
  const records = bodies(nowMs).map((body) => {
    const event = JSON.parse(body) as { readonly user_id: string };
    const admission = admit("login", event, { caller, client, nowMs });
    assert(admission.kind === "event", "the bodies of the benchmark are sound");
    const { key, value } = admission.event;
    return { user: event.user_id, key, value: value.toString("base64") };
  });
  codecs.close();
  return records;
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
};

async function measure(servers: Installation, folder: string): Promise<Result> {
  const { kafka, prefix } = servers;
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const token = await sign(privateKey);
  const env = {
    ...servers.env,
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    PORT: "0",
    VIGIE_STATE_DIR: folder,
    JWT_PUBLIC_KEY: publicKey.export({ type: "spki", format: "pem" }).toString(),
    RATE_LIMIT_SERVICE_PER_MINUTE: "100000000",
  };
  const topic = physicalName(prefix, "id.login");
  const setup = { brokers: kafka.split(","), topic, records: await recordsOf(servers, folder) };
  const bare = await startServer(folder, here("./bare.ts"), {}, JSON.stringify(setup));
  const edge = await startServer(folder, here("../src/main.ts"), env, "");
  const results: { bare: Measured[]; edge: Measured[] } = { bare: [], edge: [] };
  try {
    await load(bare.url, token, WARM_UP_SECONDS);
    await load(edge.url, token, WARM_UP_SECONDS);
    for (let round = 0; round < rounds; round += 1) {
      results.bare.push(await measured(bare, token));
      results.edge.push(await measured(edge, token));
    }
  } finally {
    await Promise.all([bare, edge].map(({ child }) => stop(child)));
  }
  return report(results);
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  if (child.exitCode === null) await once(child, "exit");
}

interface Rounds {
  readonly bare: readonly Measured[];
  readonly edge: readonly Measured[];
}

interface Result extends Rounds {
  readonly benchmark: "edge-ingest";
  readonly connections: number;
  readonly ratio: number;
  /** What the ratio would be if nothing but the server's own CPU time held it back. */
  readonly cpuRatio: number;
  readonly barePerSecond: number;
  readonly edgePerSecond: number;
  readonly bareCpuUs: number;
  readonly edgeCpuUs: number;
}

function report({ bare, edge }: Rounds): Result {
  const all = [...bare, ...edge];
  const bad = all.find(({ refused }) => refused > 0);
  assert(bad === undefined, `every request is accepted: ${bad?.firstRefusal}`);
  const middle = (rounds: readonly Measured[], of: "perSecond" | "serverCpuUs"): number =>
    median(rounds.map((round) => round[of]));
  const share = (part: number, whole: number): number => Math.round((part / whole) * 1_000) / 1_000;
  const barePerSecond = middle(bare, "perSecond");
  const edgePerSecond = middle(edge, "perSecond");
  const bareCpuUs = middle(bare, "serverCpuUs");
  const edgeCpuUs = middle(edge, "serverCpuUs");
  return {
    benchmark: "edge-ingest",
    connections,
    ratio: share(edgePerSecond, barePerSecond),
    cpuRatio: share(bareCpuUs, edgeCpuUs),
    ...{ barePerSecond, edgePerSecond, bareCpuUs, edgeCpuUs, bare, edge },
  };
}

/** Where the benchmark works. */
interface Installation {
  readonly kafka: string;
  readonly registry: string;
  readonly prefix: string;
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function openInstallation(): Promise<Installation> {
  const {
    KAFKA_BROKERS: kafka,
    SCHEMA_REGISTRY_URL: registry,
    VIGIE_TOPIC_PREFIX: prefix = "",
  } = process.env;
  if (!kafka || !registry) {
    const own = await stack();
    return { ...own, close: () => closeOwn(own) };
  }
  const env = {
    KAFKA_BROKERS: kafka,
    SCHEMA_REGISTRY_URL: registry,
    VIGIE_TOPIC_PREFIX: prefix,
  };
  return { kafka, registry, prefix, env, close: async () => {} };
}

async function closeOwn(own: TestStack): Promise<void> {
  await withAdmin(own.kafka, (admin) =>
    admin.deleteTopics(topicNames.map((topic) => physicalName(own.prefix, topic))),
  );
  await own.close();
}

async function withAdmin(
  kafka: string,
  work: (admin: KafkaAdmin) => Promise<unknown>,
): Promise<void> {
  const client = openKafka({ brokers: kafka.split(","), clientId: "bench", log: silentLogger });
  const admin = await openAdmin(client);
  try {
    await work(admin);
  } finally {
    await admin.close();
  }
}

function tell(result: Result): void {
  if (!options.json) {
    const { ratio, cpuRatio, barePerSecond, edgePerSecond, bareCpuUs, edgeCpuUs } = result;
    process.stdout.write(
      `bare route  ${barePerSecond} events/s  ${bareCpuUs} us CPU each\n` +
        `edge        ${edgePerSecond} events/s  ${edgeCpuUs} us CPU each\n` +
        `ratio       ${ratio} (by CPU time alone ${cpuRatio})\n`,
    );
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

async function main(): Promise<void> {
  const installation = await openInstallation();
  const { kafka, registry, prefix } = installation;
  const folder = await mkdtemp(join(tmpdir(), "vigie-bench-"));
  try {
    await withAdmin(kafka, (admin) => provisionTopics(admin, { prefix, replicationFactor: 1 }));
    await registerSchemas({ registryUrl: registry, prefix });
    const result = await measure(installation, folder);
    await mkdir(dirname(options.out), { recursive: true });
    await writeFile(options.out, `${JSON.stringify(result, null, 2)}\n`);
    tell(result);
  } finally {
    await rm(folder, { recursive: true, force: true });
    await installation.close();
  }
}

await main();
