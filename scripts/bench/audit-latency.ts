import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@vigie/core/log";
import { SECOND_MS } from "@vigie/core/time";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import type { AuditEvent } from "@vigie/schemas/types";
import { createSigningKey } from "@vigie/service-kit/kms/signing-key";
import { openDatabase, schemaOf } from "@vigie/service-kit/postgres/database";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import type { BenchStack, Installation } from "./bench-stack.ts";
import { openDurablePostgres } from "./durable-postgres.ts";
import { percentile } from "./percentiles.ts";
import { runScript, startService, until } from "./processes.ts";

export interface AuditLatencyOptions {
  readonly eventsPerSecond: number;
  readonly seconds: number;
}

const PROVISION = fileURLToPath(new URL("../provision.ts", import.meta.url));
const ORIGIN = "bench.example/audit";
const TENANT = "molam-sn";
const SUBJECTS = 10_000;
const ADMINS = 50;
/** Just-in-time compilation, first fetches and first keys are over by then. */
const WARM_UP_SECONDS = 5;
const TICK_MS = 10;

/**
 * Audit event produced to a checkpoint that covers it, read from the topic (read committed), at a steady rate: the audit
 * sink as it runs, on a PostgreSQL that waits for the disk, with a signature every 250 ms. The clock runs from the call
 * that produces the event to the moment a follower of id.audit.checkpoint has the first checkpoint with its leaf.
 */
export async function benchAuditLatency(servers: BenchStack, options: AuditLatencyOptions) {
  const { eventsPerSecond, seconds } = options;
  const postgres = await openDurablePostgres();
  try {
    const installation = await servers.installation("audit-latency");
    const { folder } = installation;
    const keyFile = join(folder, "checkpoints.key");
    createSigningKey(keyFile, ORIGIN);
    const env = {
      ...installation.env,
      DATABASE_URL: postgres.url,
      AUDIT_ORIGIN: ORIGIN,
      AUDIT_SIGNING_KEY_FILE: keyFile,
    };
    await runScript(PROVISION, ["tables"], env);
    const checkpoints = await followSizes(servers, installation);
    const service = startService("audit-sink", env, join(folder, "audit-sink.log"));
    try {
      // An empty log is signed as soon as the service is ready.
      await until("it signs", async () => (checkpoints.seen.length > 0 ? true : null));
      const warm = eventsPerSecond * WARM_UP_SECONDS;
      const total = warm + eventsPerSecond * seconds;
      const producedAtMs = await produce(servers, installation, { total, eventsPerSecond });
      const cpuSeconds = await service.cpuSeconds();
      const isDone = async () => ((checkpoints.seen.at(-1)?.size ?? 0) >= total ? true : null);
      await until("every event is signed", isDone);
      const places = await placesOf(postgres.url, installation);
      const latencies = latenciesOf(producedAtMs, places, checkpoints.seen).slice(warm);
      return {
        eventsPerSecond,
        events: latencies.length,
        checkpoints: checkpoints.seen.length,
        p50Ms: percentile(latencies, 0.5),
        p90Ms: percentile(latencies, 0.9),
        p99Ms: percentile(latencies, 0.99),
        maxMs: Math.max(...latencies),
        serviceCpuSeconds: cpuSeconds,
        producedInSeconds: total / eventsPerSecond,
      };
    } finally {
      await service.stop();
      await checkpoints.close();
    }
  } finally {
    await postgres.close();
  }
}

interface SeenCheckpoint {
  readonly size: number;
  readonly atMs: number;
}

async function followSizes({ client }: BenchStack, { prefix }: Installation) {
  const reader = await openLoneReader(client);
  const seen: SeenCheckpoint[] = [];
  const target = { topic: `${prefix}id.audit.checkpoint`, partition: 0, from: "earliest" } as const;
  const following = await reader.follow([target], {
    records(records) {
      const atMs = performance.now();
      for (const { value } of records) {
        seen.push({ size: Number(String(value).split("\n")[1]), atMs });
      }
    },
    failed(error) {
      process.stderr.write(`${error.message}\n`);
    },
  });
  return {
    seen,
    async close() {
      following.stop();
      await reader.close();
    },
  };
}

/** Evenly paced. Returns: when each was produced, by its number. */
async function produce(
  { client, registryUrl }: BenchStack,
  { prefix, folder }: Installation,
  { total, eventsPerSecond }: { readonly total: number; readonly eventsPerSecond: number },
): Promise<readonly number[]> {
  const cacheDir = join(folder, "sender");
  const codecs = await openCodecs({ registryUrl, prefix, cacheDir, log: silentLogger });
  const encoder = codecs.encoder<AuditEvent>("id.audit");
  await codecs.ready();
  const producer = await openBatchingProducer(client);
  const producedAtMs: number[] = [];
  const sent: Promise<unknown>[] = [];
  const startMs = performance.now();
  while (producedAtMs.length < total) {
    const due = ((performance.now() - startMs) / SECOND_MS) * eventsPerSecond;
    while (producedAtMs.length < Math.min(due, total)) {
      const number = producedAtMs.length;
      const partition = number % PARTITIONS_DEFAULT;
      const value = encoder.encode(eventOf(number));
      const record = { topic: `${prefix}id.audit`, partition, key: emitterOf(number), value };
      producedAtMs.push(performance.now());
      sent.push(producer.publish(record));
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(sent);
  await producer.close();
  codecs.close();
  return producedAtMs;
}

const emitterOf = (number: number): string => `sessions.${number % PARTITIONS_DEFAULT}`;

const eventOf = (number: number): AuditEvent => ({
  event_id: `e-${number}`,
  tenant_id: TENANT,
  occurred_at: Date.now(),
  emitter: emitterOf(number),
  emitter_seq: Math.floor(number / PARTITIONS_DEFAULT) + 1,
  action: "session.revoked",
  actor: {
    type: "ADMIN",
    id: `admin-${number % ADMINS}`,
    impersonator_id: null,
    ip: "41.82.0.17",
    user_agent: "Mozilla/5.0 (X11; Linux x86_64)",
  },
  subject_user_id: `user-${number % SUBJECTS}`,
  is_impersonation: false,
  impersonated_user_id: null,
  payload: JSON.stringify({ reason: "admin", session_ids: [randomUUID(), randomUUID()] }),
});

/** Index of each event's leaf, by the event's number. */
async function placesOf(
  url: string,
  { prefix }: Installation,
): Promise<ReadonlyMap<number, number>> {
  const database = openDatabase({
    url,
    schema: schemaOf(prefix),
    applicationName: "vigie-bench",
    statementTimeoutMs: 60_000,
    poolMax: 1,
    log: silentLogger,
  });
  const { rows } = await database.query<{ index: number; event_id: string }>(
    "select index, event_id from audit_leaves where event_id like 'e-%'",
  );
  await database.close();
  return new Map(rows.map(({ index, event_id }) => [Number(event_id.slice(2)), index]));
}

function latenciesOf(
  producedAtMs: readonly number[],
  places: ReadonlyMap<number, number>,
  seen: readonly SeenCheckpoint[],
): number[] {
  return producedAtMs.map((atMs, number) => {
    const index = places.get(number);
    const first = seen.find(({ size }) => index !== undefined && size > index);
    return first === undefined ? Number.POSITIVE_INFINITY : first.atMs - atMs;
  });
}
