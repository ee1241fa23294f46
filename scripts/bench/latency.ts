import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { partitionOf, userKey } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { MINUTE_MS } from "@vigie/core/time";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import type { LoginEvent } from "@vigie/schemas/types";
import { followAnomalies } from "./anomalies.ts";
import type { BenchStack, Installation } from "./bench-stack.ts";
import { percentile } from "./percentiles.ts";
import { startService, until } from "./processes.ts";

export interface LatencyFigures {
  readonly eventsPerSecond: number;
  readonly pairs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const EVENTS_PER_SECOND = 100;
const EVENT_EVERY_MS = 1_000 / EVENTS_PER_SECOND;
/** Addresses that DB-IP Lite places in these cities. Source: IP geolocation by DB-IP, CC BY 4.0. */
const addresses = { Dakar: "41.82.0.5", Paris: "2.8.251.5" } as const;
const TENANT = "molam-sn";
/** Just-in-time compilation and first fetches are over by then. */
const WARM_UP_PAIRS = 2_000;

/**
 * Login produced to anomaly readable (read committed), at 100 events/s: every second login of a new user is an
 * impossible trip. The clock runs from the call that produces it to the moment a consumer has it.
 */
export async function benchLatency(servers: BenchStack, pairs: number): Promise<LatencyFigures> {
  const installation = await servers.installation("latency");
  const { folder, env } = installation;
  const service = startService("detector", env, join(folder, "detector.log"));
  const producedAtMs = new Map<string, number>();
  const latenciesMs: number[] = [];
  let seen = 0;
  const close = await followAnomalies(servers, installation, ({ key, kind, seenAtMs }) => {
    const startMs = producedAtMs.get(key);
    if (kind !== "impossible_travel" || startMs === undefined) return;
    if (seen++ >= WARM_UP_PAIRS) latenciesMs.push(seenAtMs - startMs);
  });
  const sender = await openSender(servers, installation);
  try {
    await drive(sender, producedAtMs, { from: 0, to: WARM_UP_PAIRS });
    await until("the warm-up is found", async () => (seen >= WARM_UP_PAIRS ? true : null));
    const total = WARM_UP_PAIRS + pairs;
    await drive(sender, producedAtMs, { from: WARM_UP_PAIRS, to: total });
    await until("every trip is found", async () => (seen >= total ? true : null));
  } finally {
    await sender.close();
    await close();
    await service.stop();
  }
  return {
    eventsPerSecond: EVENTS_PER_SECOND,
    pairs: latenciesMs.length,
    p50Ms: percentile(latenciesMs, 0.5),
    p90Ms: percentile(latenciesMs, 0.9),
    p99Ms: percentile(latenciesMs, 0.99),
    maxMs: Math.max(...latenciesMs),
  };
}

/** Two logins a pair, evenly paced; notes when the second one, which completes the trip, is sent. */
async function drive(
  sender: Sender,
  producedAtMs: Map<string, number>,
  pairs: { readonly from: number; readonly to: number },
): Promise<void> {
  const startMs = performance.now();
  for (let event = 0; event < 2 * (pairs.to - pairs.from); event++) {
    await waitUntil(startMs + event * EVENT_EVERY_MS);
    const userId = `latency-${pairs.from + (event >> 1)}`;
    const city = event % 2 === 0 ? "Dakar" : "Paris";
    const key = userKey(TENANT, userId);
    if (city === "Paris") producedAtMs.set(key, performance.timeOrigin + performance.now());
    sender.send(key, login(userId, city));
  }
}

function login(userId: string, city: keyof typeof addresses): LoginEvent {
  const agoMs = city === "Dakar" ? 30 * MINUTE_MS : 0;
  return {
    event_id: randomUUID(),
    tenant_id: TENANT,
    user_id: userId,
    occurred_at: Date.now() - agoMs,
    kind: "AUTH_SUCCESS",
    session_id: randomUUID(),
    channel: "MOBILE",
    user_type: "EXTERNAL",
    org_id: null,
    roles: ["customer"],
    login_method: "pin",
    failure_reason: null,
    absolute_expires_at: null,
    network: { ip: addresses[city], user_agent: null },
    device: null,
    location: null,
    sim: null,
    upstream_session_ref: null,
    source: "bench",
  };
}

type Sender = Awaited<ReturnType<typeof openSender>>;

/** Produces each login at once, in a request of its own, as an upstream service at this rate does. */
async function openSender({ client, registryUrl }: BenchStack, { prefix, folder }: Installation) {
  const cacheDir = join(folder, "sender");
  const codecs = await openCodecs({ registryUrl, prefix, cacheDir, log: silentLogger });
  const encoder = codecs.encoder<LoginEvent>("id.login");
  await codecs.ready();
  const producer = client.kafkajs.producer();
  await producer.connect();
  const sent: Promise<unknown>[] = [];
  return {
    send(key: string, value: LoginEvent): void {
      const partition = partitionOf(key, PARTITIONS_DEFAULT);
      const message = { key, partition, value: Buffer.from(encoder.encode(value)) };
      sent.push(producer.send({ topic: `${prefix}id.login`, messages: [message] }));
    },
    async close(): Promise<void> {
      await Promise.all(sent);
      await producer.disconnect();
    },
  };
}

async function waitUntil(atMs: number): Promise<void> {
  const leftMs = atMs - performance.now();
  if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
}
