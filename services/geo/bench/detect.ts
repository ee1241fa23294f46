import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { assert } from "@vigie/core/assert";
import { createIssuer } from "@vigie/testkit/issuer";
import {
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
import { seed } from "#countries/matrix";

/**
 * Detection of countries beside two bare Fastify routes: `bare` answers the same bytes, head and body (`ratio`), `plain`
 * the same body only, with Fastify's own headers (`plainRatio`). Each in its own process, the load generator in another,
 * asked in turn; then detection and `bare` each at half of its own rate.
 * Usage: detect.ts [--seconds 5] [--rounds 3] [--connections 64] [--profile FOLDER]
 * Works on the installation that the environment names. Prints one JSON line.
 */
const plan = planOf(parseArgs({ options: sideBySideOptions }).values);
const { connections, profile } = plan;

const fileHere = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

type Body = Readonly<Record<string, unknown>>;

/** Addresses of the countries, as the default data has them. */
const ADDRESSES = ["41.82.0.1", "105.112.0.1", "102.176.0.1", "90.0.0.1", "8.8.8.8", "2a01:e0a::1"];

/** Of every country with everything given, with a SIM and an address, with a phone number, with an address. */
const bodies: readonly Body[] = seed.flatMap(({ phoneExample: phone, mcc: mccs, carriers }, at) => {
  const ip = ADDRESSES[at % ADDRESSES.length];
  const mcc = mccs[0];
  const mnc = carriers[0]?.mncs[0];
  return [{ phone, mcc, mnc, ip }, { mcc, mnc, ip }, { phone }, { ip }];
});

const trafficOf = (): Traffic => ({
  requests: bodies.map((body) => {
    const text = JSON.stringify(body);
    return (
      "POST /v1/geo/detect HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
    );
  }),
  accepts: "HTTP/1.1 200",
  holds: '"detectionMethod":"',
  connections,
});

async function startGeo(folder: string): Promise<Server> {
  const env = {
    ...(process.env as Record<string, string>),
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    PORT: "0",
    JWT_PUBLIC_KEY: createIssuer().publicKeyPem,
    USSD_WEBHOOK_SECRET: randomBytes(32).toString("base64"),
    RATE_LIMIT_ADDRESS_PER_MINUTE: "100000000",
  };
  const geo = await startServer({
    folder,
    file: fileHere("../src/main.ts"),
    env,
    input: "",
    profile,
  });
  await untilReady(geo.url);
  return geo;
}

/** Of this very answer or its connection. */
const OWN_HEADERS = new Set(["connection", "content-length", "date", "keep-alive", "x-request-id"]);

type Answer = readonly [headers: Readonly<Record<string, string>>, text: string];

/** What the service answers each body with. */
const pairsOf = ({ url }: Server): Promise<readonly (readonly [Body, Answer])[]> =>
  Promise.all(
    bodies.map(async (body) => {
      const response = await fetch(`${url}/v1/geo/detect`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      assert(response.status === 200, "every body of the benchmark is sound");
      const headers = [...response.headers].filter(([name]) => !OWN_HEADERS.has(name));
      return [body, [Object.fromEntries(headers), await response.text()]] as const;
    }),
  );

/** The bare route, answering with these. Its own folder: each server's log is named after its file. */
async function startBare(
  folder: string,
  answers: readonly (readonly [Body, Answer])[],
  profile?: string,
): Promise<Server> {
  const own = await mkdtemp(join(folder, "bare-"));
  const input = JSON.stringify(answers);
  return startServer({ folder: own, file: fileHere("./bare.ts"), env: {}, input, profile });
}

/** The same with no header but those that Fastify sets itself for a body of this type. */
const plainOf = ([body, [headers, text]]: readonly [Body, Answer]): readonly [Body, Answer] => {
  const type = headers["content-type"];
  assert(type !== undefined, "every answer has a type");
  return [body, [{ "content-type": type }, text]];
};

async function measure(folder: string) {
  const geo = await startGeo(folder);
  const pairs = await pairsOf(geo);
  const bare = await startBare(folder, pairs, profile);
  const plain = await startBare(folder, pairs.map(plainOf));
  const traffic = trafficOf();
  const sides = { bare: [bare, traffic], ours: [geo, traffic] } as const;
  try {
    const all = await sideBySide({ ...sides, plain: [plain, traffic] }, plan);
    const figures = compared(all);
    const beside = compared({ bare: all.plain, ours: all.ours });
    return {
      benchmark: "detect",
      connections,
      ...figures,
      plainRatio: beside.ratio,
      plainCpuRatio: beside.cpuRatio,
      plainPerSecond: beside.barePerSecond,
      plainCpuUs: beside.bareCpuUs,
      ...(await halfLoad(sides, plan, figures)),
    };
  } finally {
    await Promise.all([bare, plain, geo].map(stopServer));
  }
}

const folder = await mkdtemp(join(tmpdir(), "vigie-bench-"));
try {
  process.stdout.write(`${JSON.stringify(await measure(folder))}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
