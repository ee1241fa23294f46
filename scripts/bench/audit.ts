import { randomBytes, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { createSigners } from "@vigie/audit-sink/signer";
import { auditTopics, createAuditSink } from "@vigie/audit-sink/sink";
import { createAuditStore } from "@vigie/audit-sink/store";
import { silentLogger } from "@vigie/core/log";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { AuditEvent } from "@vigie/schemas/types";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import type { SinkRecord } from "@vigie/stream/kafka/sink";
import { type DurablePostgres, openDurablePostgres } from "./durable-postgres.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SCHEMA = "vigie_bench_audit";
/** As many as the service writes at once. */
const BATCH_RECORDS = 2_000;
/** Batches whose records are held in memory. */
const ROUND_BATCHES = 10;
const TENANT = "molam-sn";
const ADMINS = 500;
const [TOPIC] = auditTopics;
const LEAF_BYTES = 1_024;

export interface AuditBenchOptions {
  readonly leaves: number;
  readonly subjects: number;
}

/**
 * The audit sink from records to committed leaves, on one connection of a PostgreSQL that waits for the disk: decoding,
 * two boxes a leaf (an administrator's and a subject's), hashes, signature, tree, emitters, offsets. First while all
 * subjects are new, then with their keys known, then leaves of the same size without persons.
 */
export async function benchAudit({ leaves, subjects }: AuditBenchOptions) {
  const postgres = await openDurablePostgres();
  try {
    const database = await openTables(postgres.url);
    const bench = new Bench(postgres, database, subjects);
    const first = await bench.measure("sealed", subjects);
    const sealed = await bench.measure("sealed", leaves);
    const clear = await bench.measure("clear", leaves);
    const figures = {
      ...named("", sealed),
      ...named("first_sight_", first),
      ...named("without_encryption_", clear),
      encryption_costs: 1 - sealed.leavesPerSecond / clear.leavesPerSecond,
      ...(await settingsOf(database)),
    };
    await database.close();
    return figures;
  } finally {
    await postgres.close();
  }
}

async function openTables(url: string): Promise<Database> {
  const reach = { url, schema: SCHEMA, log: silentLogger };
  await migrate({ ...reach, folders: migrationFolders(ROOT) });
  return openDatabase({
    ...reach,
    role: "vigie_audit_sink",
    applicationName: "vigie-bench",
    statementTimeoutMs: 60_000,
    poolMax: 1,
  });
}

const SETTINGS = `
  select current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit,
         current_setting('full_page_writes') as full_page_writes`;

async function settingsOf(database: Database): Promise<Readonly<Record<string, string>>> {
  const { rows } = await database.query<Record<string, string>>(SETTINGS);
  return rows[0] ?? {};
}

interface Measured {
  readonly leavesPerSecond: number;
  readonly leafBytes: number;
  /** CPU ms of 1,000 leaves. */
  readonly nodeMs: number;
  readonly backendMs: number;
  readonly postgresMs: number;
}

const named = (prefix: string, measured: Measured): Readonly<Record<string, number>> => ({
  [`${prefix}leaves_per_s`]: measured.leavesPerSecond,
  [`${prefix}leaf_bytes`]: measured.leafBytes,
  [`${prefix}node_cpu_ms_per_1000`]: measured.nodeMs,
  [`${prefix}backend_cpu_ms_per_1000`]: measured.backendMs,
  [`${prefix}postgres_cpu_ms_per_1000`]: measured.postgresMs,
});

const SIZE =
  "select coalesce(sum(octet_length(leaf)), 0)::float8 as bytes from audit_leaves where index >= $1";

type Kind = "sealed" | "clear";

class Bench {
  private readonly postgres: DurablePostgres;
  private readonly database: Database;
  private readonly subjects: number;
  private readonly codecs = memoryCodecs();
  private readonly sink;
  private offset = 0;

  constructor(postgres: DurablePostgres, database: Database, subjects: number) {
    this.postgres = postgres;
    this.database = database;
    this.subjects = subjects;
    const master = { keyId: "k1", activeFromMs: 0, secret: randomBytes(32) };
    const keys = derivedKeys([master], Date.now);
    const signers = createSigners(randomBytes(32).toString("hex"));
    const store = createAuditStore(database, { keys, signers, clock: Date.now });
    const observe = (): void => undefined;
    const open = createAuditSink({ store, codecs: this.codecs, log: silentLogger, observe });
    this.sink = open({
      deadLetter: () => Promise.reject(new Error("none")),
      partitionCount: () => 1,
    });
  }

  async measure(kind: Kind, leaves: number): Promise<Measured> {
    const from = this.offset;
    const spent = { seconds: 0, node: 0, backend: 0, all: 0 };
    while (this.offset - from < leaves) {
      const round = await this.round(kind);
      spent.seconds += round.seconds;
      spent.node += round.node;
      spent.backend += round.backend;
      spent.all += round.all;
    }
    const count = this.offset - from;
    const { rows } = await this.database.query<{ bytes: number }>(SIZE, [from]);
    return {
      leavesPerSecond: count / spent.seconds,
      leafBytes: (rows[0]?.bytes ?? 0) / count,
      nodeMs: (spent.node * 1e6) / count,
      backendMs: (spent.backend * 1e6) / count,
      postgresMs: (spent.all * 1e6) / count,
    };
  }

  /** Records are made before, and do not count. Returns: seconds, and CPU seconds of each side. */
  private async round(kind: Kind) {
    let at = this.offset;
    const batches = Array.from({ length: ROUND_BATCHES }, () => this.batch(kind));
    const { rows } = await this.database.query<{ pid: number }>("select pg_backend_pid() as pid");
    const pid = rows[0]?.pid ?? 0;
    const before = await this.postgres.cpuSeconds(pid);
    const cpu = process.cpuUsage();
    const startedMs = performance.now();
    for (const batch of batches) {
      const next = { topic: TOPIC, partition: 0, from: at, offset: at + batch.length };
      await this.sink.write(batch, [next]);
      at = next.offset;
    }
    const seconds = (performance.now() - startedMs) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    const after = await this.postgres.cpuSeconds(pid);
    return {
      seconds,
      node: (user + system) / 1e6,
      backend: after.backend - before.backend,
      all: after.all - before.all,
    };
  }

  private batch(kind: Kind): SinkRecord[] {
    const encoder = this.codecs.encoder<AuditEvent>(TOPIC);
    return Array.from({ length: BATCH_RECORDS }, () => {
      const offset = this.offset++;
      const event = kind === "sealed" ? this.sealed(offset) : this.clear(offset);
      return {
        topic: TOPIC,
        partition: 0,
        offset,
        timestampMs: Date.now(),
        key: event.emitter,
        keyBytes: Buffer.from(event.emitter),
        value: encoder.encode(event),
        headers: [],
      };
    });
  }

  private sealed(number: number): AuditEvent {
    return {
      ...this.clear(number),
      actor: {
        type: "ADMIN",
        id: `admin-${number % ADMINS}`,
        impersonator_id: null,
        ip: `41.82.${number % 250}.${number % 99}`,
        user_agent: null,
      },
      // All of them in turn, in no order that a cache or an index could like.
      subject_user_id: `u-${(number * 48_271) % this.subjects}`,
      payload: JSON.stringify({ reason: "admin", session_ids: [randomUUID()] }),
    };
  }

  private clear(number: number): AuditEvent {
    return {
      event_id: randomUUID(),
      tenant_id: TENANT,
      occurred_at: Date.now(),
      emitter: "edge.bench",
      emitter_seq: number + 1,
      action: "session.revoked",
      actor: { type: "SYSTEM", id: "bench", impersonator_id: null, ip: null, user_agent: null },
      subject_user_id: null,
      is_impersonation: false,
      impersonated_user_id: null,
      payload: JSON.stringify({ text: "x".repeat(LEAF_BYTES - CLEAR_BYTES) }),
    };
  }
}

/** A leaf of `clear` without its text. */
const CLEAR_BYTES = 470;
