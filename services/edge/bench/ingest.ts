import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { assert } from "@vigie/core/assert";
import { silentLogger } from "@vigie/core/log";
import { physicalName } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import { createIssuer } from "@vigie/testkit/issuer";
import {
  type Asked,
  compared,
  planOf,
  type Rounds,
  sideBySide,
  sideBySideOptions,
  startServer,
  stopServer,
  type Traffic,
} from "@vigie/testkit/side-by-side";
import { noConsents } from "../src/consents/consents.ts";
import { createAdmit } from "../src/ingest/steps/admit-event.ts";
import type { Setup } from "./bare.ts";
import { edgeEnv, fileHere, type Installation, withInstallation } from "./harness.ts";
import { bodies } from "./traffic.ts";

/**
 * Authenticated, validated, acknowledged ingest beside two bare Fastify routes that produce the same bytes, one through the
 * same producer and one through that of kafkajs: each in its own process, the load generator in another, asked in turn.
 * Usage: ingest.ts [--json] [--seconds 5] [--rounds 3] [--connections 64] [--out FILE] [--profile FOLDER]
 * Works on the installation that KAFKA_BROKERS, SCHEMA_REGISTRY_URL and VIGIE_TOPIC_PREFIX name, else on its own.
 */
const { values: options } = parseArgs({
  options: {
    ...sideBySideOptions,
    json: { type: "boolean", default: false },
    out: { type: "string", default: ".vigie/bench/edge-ingest.json" },
  },
});
const plan = planOf(options);
const { connections, profile } = plan;

const TENANT = "molam-sn";
const SERVICE = {
  sub: "auth-gateway",
  tenant_id: TENANT,
  scope: "events:write",
  client_id: "auth-gateway",
};

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

/** The bytes that the edge makes of each body, for the bare route to produce as they are. */
async function recordsOf(servers: Installation, cacheDir: string): Promise<Setup["records"]> {
  const { registry, prefix } = servers;
  const codecs = await openCodecs({ registryUrl: registry, cacheDir, prefix, log: silentLogger });
  const admit = createAdmit({
    codecs,
    limits: { maxEventAgeMs: 1e9, maxAheadMs: 1e9 },
    consents: noConsents,
  });
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
    impersonatorId: null,
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

type Side = "bare" | "bareKafkajs" | "ours";

interface Result extends ReturnType<typeof compared>, Rounds<Side> {
  readonly benchmark: "edge-ingest";
  readonly connections: number;
  /** To the bare route through kafkajs's own producer. */
  readonly ratioToKafkajs: number;
  readonly kafkajsPerSecond: number;
  readonly kafkajsCpuUs: number;
}

async function measure(servers: Installation, folder: string): Promise<Result> {
  const { kafka, prefix } = servers;
  const { publicKeyPem, token } = createIssuer();
  const topic = physicalName(prefix, "id.login");
  const same = { brokers: kafka.split(","), topic, records: await recordsOf(servers, folder) };
  const bareRoute = async (producer: Setup["producer"]) => {
    const input = JSON.stringify({ ...same, producer } satisfies Setup);
    const place = join(folder, producer);
    await mkdir(place);
    const own = profile && join(profile, producer);
    return startServer({
      folder: place,
      file: fileHere("./bare.ts"),
      env: {},
      input,
      profile: own,
    });
  };
  const bare = await bareRoute("vigie");
  const bareKafkajs = await bareRoute("kafkajs");
  const file = fileHere("../src/main.ts");
  const env = edgeEnv(servers, { folder, publicKeyPem });
  const ours = await startServer({ folder, file, env, input: "", profile });
  const traffic = trafficOf(token(SERVICE));
  try {
    const sides: Record<Side, Asked> = {
      bare: [bare, traffic],
      bareKafkajs: [bareKafkajs, traffic],
      ours: [ours, traffic],
    };
    const all = await sideBySide(sides, plan);
    const beside = compared({ bare: all.bareKafkajs, ours: all.ours });
    return {
      benchmark: "edge-ingest",
      connections,
      ...compared(all),
      ratioToKafkajs: beside.ratio,
      kafkajsPerSecond: beside.barePerSecond,
      kafkajsCpuUs: beside.bareCpuUs,
      ...all,
    };
  } finally {
    await Promise.all([bare, bareKafkajs, ours].map(stopServer));
  }
}

function tell(result: Result): void {
  if (!options.json) {
    const { ratio, cpuRatio, barePerSecond, ourPerSecond, bareCpuUs, ourCpuUs } = result;
    const { ratioToKafkajs, kafkajsPerSecond, kafkajsCpuUs } = result;
    process.stdout.write(
      `bare route            ${barePerSecond} events/s  ${bareCpuUs} us CPU each\n` +
        `bare, kafkajs's own   ${kafkajsPerSecond} events/s  ${kafkajsCpuUs} us CPU each\n` +
        `edge                  ${ourPerSecond} events/s  ${ourCpuUs} us CPU each\n` +
        `ratio                 ${ratio} (by CPU time alone ${cpuRatio}), to kafkajs's own ${ratioToKafkajs}\n`,
    );
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

const result = await withInstallation(measure);
await mkdir(dirname(options.out), { recursive: true });
await writeFile(options.out, `${JSON.stringify(result, null, 2)}\n`);
tell(result);
