import { parseArgs } from "node:util";
import { silentLogger } from "@vigie/core/log";
import { openRedis } from "@vigie/service-kit/redis/redis";
import { layoutOf, sessionName } from "@vigie/service-kit/sessions/layout";
import { textOf } from "@vigie/service-kit/sessions/session-text";
import { createIssuer } from "@vigie/testkit/issuer";
import {
  type Asked,
  compared,
  halfLoad,
  planOf,
  type Server,
  sideBySide,
  sideBySideOptions,
  startServer,
  stopServer,
  type Traffic,
  untilReady,
} from "@vigie/testkit/side-by-side";
import { edgeEnv, fileHere, type Installation, withInstallation } from "./harness.ts";
import { sessionStates } from "./traffic.ts";

/**
 * Introspection of tokens with a live session beside a bare Fastify route that does one GET of the same Redis: each
 * in its own process, the load generator in a third, asked in turn; then each at half of its own rate.
 * Usage: introspection.ts [--seconds 5] [--rounds 3] [--connections 64] [--profile FOLDER]
 * Works on the installation that KAFKA_BROKERS, SCHEMA_REGISTRY_URL, REDIS_URL and VIGIE_TOPIC_PREFIX name, else on
 * its own. Prints one JSON line.
 */
const plan = planOf(parseArgs({ options: sideBySideOptions }).values);
const { connections, profile } = plan;

const TENANT = "molam-sn";
const HOUR_MS = 3_600_000;

const issuer = createIssuer();
const states = sessionStates(TENANT, Date.now());

const signed = (claims: Readonly<Record<string, unknown>>): string =>
  issuer.token({ tenant_id: TENANT, ...claims });

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

function introspections(): Traffic {
  const asking = signed({ sub: "pay", client_id: "pay", scope: "id:introspect" });
  const requests = states.map(({ user_id: sub, session_id: sid }) => {
    const body = `token=${signed({ sub, sid, scope: "events:write" })}`;
    const head =
      `POST /oauth2/introspect ${HEAD}Authorization: Bearer ${asking}\r\n` +
      "Content-Type: application/x-www-form-urlencoded\r\n";
    return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  });
  return { requests, accepts: "HTTP/1.1 200", holds: '"active":true', connections };
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
  const { publicKeyPem } = issuer;
  const env = { ...edgeEnv(installation, { folder, publicKeyPem }), REDIS_URL: redisUrl };
  const main = fileHere("../src/main.ts");
  const edge = await startServer({ folder, file: main, env, input: "", profile });
  await untilReady(edge.url);
  return [bare, edge];
}

async function measure(installation: Installation, folder: string) {
  await fillRedis(installation);
  const [asked, plain] = [introspections(), gets()];
  const [bare, edge] = await start(installation, folder);
  try {
    const sides: Record<"bare" | "ours", Asked> = { bare: [bare, plain], ours: [edge, asked] };
    const all = await sideBySide(sides, plan);
    const figures = compared(all);
    return {
      benchmark: "introspection",
      connections,
      ...figures,
      ...(await halfLoad(sides, plan, figures)),
    };
  } finally {
    await Promise.all([bare, edge].map(stopServer));
  }
}

process.stdout.write(`${JSON.stringify(await withInstallation(measure))}\n`);
