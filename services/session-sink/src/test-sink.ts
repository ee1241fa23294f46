import { resolve } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS } from "@vigie/core/time";
import { sampleHeartbeat, sampleLogin } from "@vigie/schemas/samples";
import { type Database, openDatabase, schemaOf } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import type { Sink, SinkRecord, UnusableRecord } from "@vigie/stream/kafka/sink";
import { nextOf } from "@vigie/testkit/sink-records";
import { stack } from "@vigie/testkit/stack";
import { afterAll, beforeEach } from "vitest";
import { createDecode } from "./decode.ts";
import { activityPartitions } from "./partitions.ts";
import { createSessionSink, type SinkWritten } from "./sink.ts";
import { RecordMaker, sessionState } from "./testing.ts";

const root = resolve(import.meta.dirname, "../../..");
/** Of all records of one test. */
export const NOW = Date.now();

type Row = Record<string, unknown>;

/** A real PostgreSQL with the sink's tables, and a sink that is handed records without a broker. */
export interface TestSink {
  /** With all rights. */
  readonly owner: Database;
  /** With the sink's rights. */
  readonly database: Database;
  maker: RecordMaker;
  dead: UnusableRecord[];
  told: SinkWritten[];
  sink: Sink;
  /** Empties the tables and begins with a new sink. */
  reset(): Promise<void>;
  open(role?: string): Database;
  createSink(partitionCount?: number): Sink;
  write(records: readonly SinkRecord[], to?: Sink): ReturnType<Sink["write"]>;
  rows(text: string): Promise<readonly Row[]>;
  /** A verdict on every anomaly, as the edge keeps them. */
  addVerdicts(): Promise<void>;
  login(over?: Partial<typeof sampleLogin>): SinkRecord;
  heartbeat(over?: Partial<typeof sampleHeartbeat>): SinkRecord;
  state(over?: Parameters<typeof sessionState>[1]): SinkRecord;
  close(): Promise<void>;
}

export async function openTestSink(): Promise<TestSink> {
  const servers = await stack();
  const schema = schemaOf(servers.prefix);
  const folders = migrationFolders(root).filter((each) =>
    ["platform", "session-sink"].includes(each.owner),
  );
  await migrate({ url: servers.postgres, schema, folders, log: silentLogger });
  const open = (role?: string): Database =>
    openDatabase({
      url: servers.postgres,
      applicationName: "test",
      schema,
      statementTimeoutMs: 10_000,
      poolMax: 4,
      log: silentLogger,
      ...(role !== undefined && { role }),
    });
  const owner = open();
  const database = open("vigie_session_sink");
  const created = { occurred_at: NOW, session_id: "s-1", user_id: "u-1" };
  const held: TestSink = {
    owner,
    database,
    open,
    maker: new RecordMaker(),
    dead: [],
    told: [],
    sink: { assigned: async () => [], write: async () => undefined },
    async reset() {
      await owner.query(TRUNCATE);
      held.maker = new RecordMaker();
      held.dead = [];
      held.told = [];
      held.sink = held.createSink();
    },
    createSink: (partitionCount = 1) =>
      createSessionSink({
        groupId: "vigie.session-sink",
        database,
        decode: createDecode(held.maker.codecs, {
          maxEventAgeMs: 30 * DAY_MS,
          maxAheadMs: 300_000,
        }),
        partitions: activityPartitions(database),
        context: {
          deadLetter: async (records) => {
            held.dead.push(...records);
          },
          partitionCount: () => partitionCount,
        },
        log: silentLogger,
        written: (event) => held.told.push(event),
      }),
    write: (records, to = held.sink) => to.write(records, nextOf(records)),
    rows: async (text) => (await owner.query<Row>(text)).rows,
    async addVerdicts() {
      await owner.query(VERDICTS);
    },
    login: (over) => held.maker.record("id.login", { ...sampleLogin, ...created, ...over }),
    heartbeat: (over) =>
      held.maker.record("id.heartbeat", { ...sampleHeartbeat, ...created, ...over }),
    state: (over) => held.maker.record("id.session.state", sessionState(NOW, over)),
    async close() {
      await owner.query(`drop schema "${schema}" cascade`);
      await Promise.all([owner.close(), database.close()]);
      await servers.close();
    },
  };
  return held;
}

/** The sink of one test file: every test finds the tables empty. */
export async function testSink(): Promise<TestSink> {
  const at = await openTestSink();
  beforeEach(() => at.reset());
  afterAll(() => at.close());
  return at;
}

const VERDICTS = `
  insert into session_anomaly_verdicts
         (id, tenant_id, user_id, anomaly_id, label, note, labelled_at, actor_type, actor_id)
  select id, tenant_id, user_id, anomaly_id, 'FALSE_POSITIVE', 'on holiday', detected_at, 'ADMIN', 'admin-1'
    from session_anomalies`;

/** Of what names its tenant by a foreign key, and the rest. */
const TRUNCATE = `
  truncate tenants, sink_offsets, session_revocation_acks, enforcement_points, session_epochs,
           session_policy_changes, session_security_events, erasures cascade`;
