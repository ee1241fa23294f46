import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { assert } from "@vigie/core/assert";
import { silentLogger } from "@vigie/core/log";
import { openRedis } from "@vigie/service-kit/redis/redis";
import { layoutOf, sessionName } from "@vigie/service-kit/sessions/layout";
import { textOf } from "@vigie/service-kit/sessions/session-text";
import { SignJWT } from "jose";
import {
  fileHere,
  type Installation,
  load,
  type Measured,
  measured,
  median,
  openInstallation,
  ratioOf,
  type Server,
  startServer,
  stopServer,
  type Traffic,
  untilReady,
} from "./harness.ts";
import { sessionStates } from "./traffic.ts";

/**
 * Introspection of tokens with a live session beside a bare Fastify route that does one GET of the same Redis: each
 * in its own process, the load generator in a third, in alternating rounds; then introspection at half of its rate.
 * Usage: introspection.ts [--seconds 5] [--rounds 3] [--connections 64] [--profile FOLDER]
 * Works on the installation that KAFKA_BROKERS, SCHEMA_REGISTRY_URL, REDIS_URL and VIGIE_TOPIC_PREFIX name, else on
 * its own. Prints one JSON line.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    connections: { type: "string", default: "64" },
    profile: { type: "string" },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);
const connections = Number(options.connections);
const { profile } = options;

/** Compiled code; each token's signature is verified once, as for a caller that asks again and again. */
const WARM_UP_SECONDS = 4;
const TENANT = "molam-sn";
const HOUR_MS = 3_600_000;

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const states = sessionStates(TENANT, Date.now());

const signed = (claims: Record<string, unknown>): Promise<string> =>
  new SignJWT({ tenant_id: TENANT, type: "access", ...claims })
    .setProtectedHeader({ alg: "RS256" })
    .setAudience("molam-id")
    .setIssuer("https://id.molam.example")
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(privateKey);

/** Sessions as the session cache would have written them; nothing lies on the topic, so Redis is not behind. */
async function fillRedis({ redis: url, prefix }: Installation): Promise<void> {
  const redis = openRedis({ url, prefix, connectionName: "bench", log: silentLogger });
  const layout = layoutOf(redis.key);
  for (const state of states) {
    const key = layout.session(sessionName(state));
    await redis.command("SET", key, textOf(state), "PX", HOUR_MS);
    await redis.command("SET", redis.key(state.session_id), state.status, "PX", HOUR_MS);
  }
  await redis.close();
}

const HEAD = "HTTP/1.1\r\nHost: 127.0.0.1\r\n";

async function introspections(): Promise<Traffic> {
  const asking = await signed({ sub: "pay", client_id: "pay", scope: "id:introspect" });
  const requests = states.map(async ({ user_id: sub, session_id: sid }) => {
    const body = `token=${await signed({ sub, sid, scope: "events:write" })}`;
    const head =
      `POST /oauth2/introspect ${HEAD}Authorization: Bearer ${asking}\r\n` +
      "Content-Type: application/x-www-form-urlencoded\r\n";
    return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  });
  const accepts = "HTTP/1.1 200";
  return { requests: await Promise.all(requests), accepts, holds: '"active":true', connections };
}

const gets = (): Traffic => ({
  requests: states.map(({ session_id }) => `GET /bare/${session_id} ${HEAD}\r\n`),
  accepts: "HTTP/1.1 200",
  holds: '"ACTIVE"',
  connections,
});

async function start(installation: Installation, folder: string): Promise<[Server, Server]> {
  const { redis: redisUrl, prefix } = installation;
  const input = JSON.stringify({ redisUrl, prefix });
  const bareFile = fileHere("./bare-redis.ts");
  const bare = await startServer({ folder, file: bareFile, env: {}, input, profile });
  const env = {
    ...installation.env,
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    PORT: "0",
    REDIS_URL: redisUrl,
    VIGIE_STATE_DIR: folder,
    JWT_PUBLIC_KEY: publicKey.export({ type: "spki", format: "pem" }).toString(),
    RATE_LIMIT_SERVICE_PER_MINUTE: "100000000",
  };
  const main = fileHere("../src/main.ts");
  const edge = await startServer({ folder, file: main, env, input: "", profile });
  await untilReady(edge.url);
  return [bare, edge];
}

async function measure(installation: Installation, folder: string) {
  await fillRedis(installation);
  const [asked, plain] = [await introspections(), gets()];
  const [bare, edge] = await start(installation, folder);
  const all: { bare: Measured[]; edge: Measured[] } = { bare: [], edge: [] };
  try {
    await load(bare.url, plain, { seconds: WARM_UP_SECONDS });
    await load(edge.url, asked, { seconds: WARM_UP_SECONDS });
    for (let round = 0; round < rounds; round += 1) {
      all.bare.push(await measured(bare, plain, { seconds }));
      all.edge.push(await measured(edge, asked, { seconds }));
    }
    const perSecond = Math.round(median(all.edge.map((round) => round.perSecond)) / 2);
    const half = await measured(edge, asked, { seconds, perSecond });
    return report(all, half);
  } finally {
    await Promise.all([bare, edge].map(stopServer));
  }
}

function report(
  { bare, edge }: { readonly bare: readonly Measured[]; readonly edge: readonly Measured[] },
  half: Measured,
) {
  const bad = [...bare, ...edge, half].find(({ refused }) => refused > 0);
  assert(bad === undefined, `every answer is right: ${bad?.firstRefusal}`);
  const middle = (all: readonly Measured[], of: "perSecond" | "serverCpuUs" | "p99Ms"): number =>
    median(all.map((round) => round[of]));
  return {
    benchmark: "introspection",
    connections,
    ratio: ratioOf(middle(edge, "perSecond"), middle(bare, "perSecond")),
    /** What the ratio would be if nothing but the server's own CPU time held it back. */
    cpuRatio: ratioOf(middle(bare, "serverCpuUs"), middle(edge, "serverCpuUs")),
    barePerSecond: middle(bare, "perSecond"),
    edgePerSecond: middle(edge, "perSecond"),
    bareCpuUs: middle(bare, "serverCpuUs"),
    edgeCpuUs: middle(edge, "serverCpuUs"),
    bareP99Ms: middle(bare, "p99Ms"),
    edgeP99Ms: middle(edge, "p99Ms"),
    halfLoadPerSecond: half.perSecond,
    halfLoadP50Ms: half.p50Ms,
    halfLoadP99Ms: half.p99Ms,
  };
}

const installation = await openInstallation();
const folder = await mkdtemp(join(tmpdir(), "vigie-bench-"));
try {
  process.stdout.write(`${JSON.stringify(await measure(installation, folder))}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
  await installation.close();
}
