import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { assert } from "@vigie/core/assert";
import { silentLogger } from "@vigie/core/log";
import { physicalName } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import { SignJWT } from "jose";
import { createAdmit } from "../src/ingest/steps/admit-event.ts";
import {
  fileHere,
  type Installation,
  load,
  type Measured,
  measured,
  median,
  openInstallation,
  ratioOf,
  startServer,
  stopServer,
  type Traffic,
} from "./harness.ts";
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

/** The same bytes for both. */
const trafficOf = (token: string): Traffic => ({
  requests: bodies(Date.now()).map(
    (body) =>
      `POST /v1/events/login HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
      `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  ),
  accepts: "HTTP/1.1 202",
  holds: "",
  connections,
});

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
  const { profile } = options;
  const input = JSON.stringify(setup);
  const bare = await startServer({ folder, file: fileHere("./bare.ts"), env: {}, input, profile });
  const main = fileHere("../src/main.ts");
  const edge = await startServer({ folder, file: main, env, input: "", profile });
  const traffic = trafficOf(token);
  const results: { bare: Measured[]; edge: Measured[] } = { bare: [], edge: [] };
  try {
    await load(bare.url, traffic, { seconds: WARM_UP_SECONDS });
    await load(edge.url, traffic, { seconds: WARM_UP_SECONDS });
    for (let round = 0; round < rounds; round += 1) {
      results.bare.push(await measured(bare, traffic, { seconds }));
      results.edge.push(await measured(edge, traffic, { seconds }));
    }
  } finally {
    await Promise.all([bare, edge].map(stopServer));
  }
  return report(results);
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
  const barePerSecond = middle(bare, "perSecond");
  const edgePerSecond = middle(edge, "perSecond");
  const bareCpuUs = middle(bare, "serverCpuUs");
  const edgeCpuUs = middle(edge, "serverCpuUs");
  return {
    benchmark: "edge-ingest",
    connections,
    ratio: ratioOf(edgePerSecond, barePerSecond),
    cpuRatio: ratioOf(bareCpuUs, edgeCpuUs),
    ...{ barePerSecond, edgePerSecond, bareCpuUs, edgeCpuUs, bare, edge },
  };
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
  const folder = await mkdtemp(join(tmpdir(), "vigie-bench-"));
  try {
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
