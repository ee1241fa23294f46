import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ProjectionConfig, projectionConfig } from "@vigie/audit-sink/projection/config";
import { createSigners } from "@vigie/audit-sink/signer";
import { auditTopics, createAuditSink } from "@vigie/audit-sink/sink";
import { createAuditStore } from "@vigie/audit-sink/store";
import { silentLogger } from "@vigie/core/log";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { AuditEvent } from "@vigie/schemas/types";
import { parseConfig } from "@vigie/service-kit/config";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { createKeysFile } from "@vigie/service-kit/kms/keys-file";
import { openKeys } from "@vigie/service-kit/kms/open-keys";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { startWorkers } from "@vigie/service-kit/workers";
import type { SinkRecord } from "@vigie/stream/kafka/sink";
import { type DurablePostgres, openDurablePostgres } from "./durable-postgres.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SCHEMA = "vigie_bench_audit";
/** What fills audit_log, on its thread. */
const PROJECTION = new URL("../../services/audit-sink/src/projection/worker.ts", import.meta.url);
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
 * subjects are new, then with their keys known, then leaves of the same size without persons; at last with their keys
 * known while a second thread fills what is searched, as fast as it can, as in the service.
 */
export async function benchAudit({ leaves, subjects }: AuditBenchOptions) {
  const postgres = await openDurablePostgres();
  const folder = await mkdtemp(join(tmpdir(), "vigie-bench-audit-"));
  try {
    const config = configOf(postgres.url, join(folder, "keys.json"));
    const database = await openTables(postgres.url);
    const bench = new Bench(postgres, database, { subjects, keys: await openKeys(config) });
    const first = await bench.measure("sealed", subjects);
    const sealed = await bench.measure("sealed", leaves);
    const clear = await bench.measure("clear", leaves);
    const thread = { service: "audit-sink", module: PROJECTION, count: 1, logLevel: "error" };
    const workers = await startWorkers({ ...thread, data: config });
    const searched = await bench.measure("sealed", leaves);
    await workers.stop();
    const figures = {
      ...named("", sealed),
      ...named("while_searchable_", searched),
      while_searchable_filled_per_s: searched.filledPerSecond,
      ...named("first_sight_", first),
      ...named("without_encryption_", clear),
      encryption_costs: 1 - sealed.leavesPerSecond / clear.leavesPerSecond,
      ...(await settingsOf(database)),
    };
    await database.close();
    return figures;
  } finally {
    await postgres.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function configOf(url: string, keysFile: string): ProjectionConfig {
  createKeysFile(keysFile, 0);
  const env = { DATABASE_URL: url, VIGIE_KEYS_FILE: keysFile, VIGIE_TOPIC_PREFIX: SCHEMA };
  const parsed = parseConfig(projectionConfig, env);
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  return parsed.config;
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
  /** Leaves that became searchable meanwhile. */
  readonly filledPerSecond: number;
  /** CPU ms of 1,000 leaves. */
  readonly nodeMs: number;
  /** Of it, of the thread that appends. */
  readonly appenderMs: number;
  readonly backendMs: number;
  readonly postgresMs: number;
}

const named = (prefix: string, measured: Measured): Readonly<Record<string, number>> => ({
  [`${prefix}leaves_per_s`]: measured.leavesPerSecond,
  [`${prefix}leaf_bytes`]: measured.leafBytes,
  [`${prefix}node_cpu_ms_per_1000`]: measured.nodeMs,
  [`${prefix}appender_cpu_ms_per_1000`]: measured.appenderMs,
  [`${prefix}backend_cpu_ms_per_1000`]: measured.backendMs,
  [`${prefix}postgres_cpu_ms_per_1000`]: measured.postgresMs,
});

const SIZE =
  "select coalesce(sum(octet_length(leaf)), 0)::float8 as bytes from audit_leaves where index >= $1";

const FILLED = "select next_index as filled from audit_projection";

type Kind = "sealed" | "clear";

class Bench {
  private readonly postgres: DurablePostgres;
  private readonly database: Database;
  private readonly subjects: number;
  private readonly codecs = memoryCodecs();
  private readonly sink;
  private offset = 0;

  constructor(
    postgres: DurablePostgres,
    database: Database,
    { subjects, keys }: { readonly subjects: number; readonly keys: Keys },
  ) {
    this.postgres = postgres;
    this.database = database;
    this.subjects = subjects;
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
    const spent = { seconds: 0, filled: 0, node: 0, appender: 0, backend: 0, all: 0 };
    while (this.offset - from < leaves) {
      const round = await this.round(kind);
      for (const each of keysOf(spent)) spent[each] += round[each];
    }
    const count = this.offset - from;
    const { rows } = await this.database.query<{ bytes: number }>(SIZE, [from]);
    return {
      leavesPerSecond: count / spent.seconds,
      leafBytes: (rows[0]?.bytes ?? 0) / count,
      filledPerSecond: spent.filled / spent.seconds,
      nodeMs: (spent.node * 1e6) / count,
      appenderMs: (spent.appender * 1e6) / count,
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
    const filled = await this.filled();
    const before = await this.postgres.cpuSeconds(pid);
    const cpu = process.cpuUsage();
    const thread = process.threadCpuUsage();
    const startedMs = performance.now();
    for (const batch of batches) {
      const next = { topic: TOPIC, partition: 0, from: at, offset: at + batch.length };
      await this.sink.write(batch, [next]);
      at = next.offset;
    }
    const seconds = (performance.now() - startedMs) / 1_000;
    const node = secondsOf(process.cpuUsage(cpu));
    const appender = secondsOf(process.threadCpuUsage(thread));
    const after = await this.postgres.cpuSeconds(pid);
    return {
      seconds,
      filled: (await this.filled()) - filled,
      node,
      appender,
      backend: after.backend - before.backend,
      all: after.all - before.all,
    };
  }

  private async filled(): Promise<number> {
    const { rows } = await this.database.query<{ filled: number }>(FILLED);
    return rows[0]?.filled ?? 0;
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

const keysOf = <T extends object>(of: T) => Object.keys(of) as (keyof T)[];

const secondsOf = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;

/** A leaf of `clear` without its text. */
const CLEAR_BYTES = 470;
