import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  proveConsistency,
  type ReadNodes,
  rootAt,
  verifyConsistency,
} from "@vigie/audit-log/proofs";
import { naiveNodes, numbered } from "@vigie/audit-log/testing";
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from "@vigie/audit-log/tree";
import { silentLogger } from "@vigie/core/log";
import { internalTopic } from "@vigie/schemas/catalogue";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { type KafkaClient, openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { processEnv } from "@vigie/testkit/process-env";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSigned, type SignedCheckpoint } from "./checkpoint/keys.ts";
import { CHECKPOINT_TOPIC } from "./checkpoint/topic-place.ts";
import { expectSound } from "./test-store.ts";
import {
  type Aim,
  aimedAt,
  appenderOf,
  keysOf,
  live,
  unwatched,
  type World,
  watchFor,
} from "./testing/fault-life.ts";
import { BATCH_RECORDS } from "./testing/fault-records.ts";

const root = resolve(import.meta.dirname, "../../..");
const CHILD = join(import.meta.dirname, "testing/faulty-sink.ts");
const LIVES = process.env.VIGIE_TEST_FULL === undefined ? 40 : 200;
/** By then a batch finds all there can be: persons to erase, gaps that are due, part of a tile. */
const BATCHES_BEFORE = 8;
/** In two batches every kind of step comes. */
const BATCHES_OF_STEPS = 2;
/** A step that is aimed at comes sooner. */
const BATCHES_MAX = 8;
const TIMEOUT_MS = 45 * 60_000;

let servers: TestStack;
let client: KafkaClient;
let admin: KafkaAdmin;
let folder: string;
const signingKey = generateKeyPairSync("ed25519").privateKey.export({
  type: "pkcs8",
  format: "pem",
});
/** One log for each test, all of one service. */
interface Log {
  readonly world: World;
  /** The world, for another process. */
  readonly file: string;
  readonly owner: Database;
}
const logs: Log[] = [];

beforeAll(async () => {
  servers = await stack();
  folder = mkdtempSync(join(tmpdir(), "vigie-faults-"));
  client = openKafka({ brokers: [servers.kafka], clientId: "test", log: silentLogger });
  admin = await openAdmin(client);
});
afterAll(async () => {
  for (const { world, owner } of logs) {
    await owner.query(`drop schema "${world.schema}" cascade`);
    await owner.close();
    await admin.deleteTopics([world.prefix + CHECKPOINT_TOPIC]);
  }
  await admin.close();
  rmSync(folder, { recursive: true });
  await servers.close();
});

async function newLog(): Promise<Log> {
  const name = `f${logs.length}`;
  const prefix = `${servers.prefix}${name}.`;
  const schema = `${servers.schema}_${name}`;
  const { postgres: url, kafka } = servers;
  const wanted = ["platform", "audit-sink", "session-sink"];
  const folders = migrationFolders(root).filter(({ owner }) => wanted.includes(owner));
  await migrate({ url, schema, folders, log: silentLogger });
  const topic = prefix + CHECKPOINT_TOPIC;
  await admin.createTopics([{ ...internalTopic(CHECKPOINT_TOPIC), topic }]);
  const about = { url, schema, applicationName: "owner", statementTimeoutMs: 60_000, poolMax: 2 };
  const owner = openDatabase({ ...about, log: silentLogger });
  const origin = `${name}.example/audit`;
  const key = String(signingKey);
  const world: World = { postgres: url, schema, kafka, prefix, folder, origin, signingKey: key };
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(world), { mode: 0o600 });
  logs.push({ world, file, owner });
  return { world, file, owner };
}

/** A process that kills itself at the step, or goes on to the end of so many batches. Returns: what it printed. */
async function run(log: Log, batches: number, aim: Aim | null = null): Promise<string> {
  const until = String((await positionOf(log)) + batches);
  const at = aim === null ? [] : [aim.step, String(aim.occurrence)];
  const args = ["--disable-warning=ExperimentalWarning", CHILD, log.file, until, ...at];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: processEnv,
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (text) => {
    out += text;
  });
  child.stderr.on("data", (text) => {
    err += text;
  });
  const [code, signal] = await once(child, "close");
  assert.equal(signal ?? code, aim === null ? 0 : "SIGKILL", `${aim?.step} ${err}`);
  return out;
}

/** In batches. */
async function positionOf({ owner }: Log): Promise<number> {
  const { rows } = await owner.query<{ next: number }>(
    "select coalesce(max(next_offset), 0) as next from sink_offsets where topic = 'id.subject.erasure'",
  );
  return rows[0]?.next ?? 0;
}

const CONTENT = {
  leaves:
    "select index, tenant_key, event_id, leaf_hash, leaf, signature from audit_leaves order by 1",
  tiles: "select level, index, hashes, root from audit_tiles order by 1, 2",
  head: "select * from audit_head",
  emitters: "select * from audit_emitters order by emitter",
  subjects: "select tenant_id, user_id, ref from audit_subjects order by ref",
  erased: "select * from audit_erased order by subject_id",
  conflicts: "select source_offset, event_id, event_digest from audit_conflicts order by 1",
  aside: "select event_id, sealed from audit_large_payloads order by event_id",
  offsets: "select topic, partition, next_offset from sink_offsets order by 1, 2",
} as const;

/** All that a log holds and that does not depend on when it was written. */
async function contentOf({ owner }: Log): Promise<Readonly<Record<string, readonly object[]>>> {
  const parts = Object.entries(CONTENT).map(async ([name, text]) => {
    const { rows } = await owner.query<object>(text);
    return [name, rows] as const;
  });
  return Object.fromEntries(await Promise.all(parts));
}

/** Every checkpoint that was ever published, in its order. */
async function published({ world }: Log): Promise<SignedCheckpoint[]> {
  const found: SignedCheckpoint[] = [];
  const reader = await openLoneReader(client);
  const topic = world.prefix + CHECKPOINT_TOPIC;
  await reader.read({ topic, partition: 0, from: "earliest", to: "end" }, (records) => {
    for (const { value } of records) found.push(openSigned(String(value), keysOf(world)));
  });
  await reader.close();
  return found;
}

type Head = Pick<SignedCheckpoint, "size" | "root">;

/** The first checkpoint that the next one does not extend, or that is not of this tree; null: there is none. */
async function firstFork(heads: readonly Head[], read: ReadNodes): Promise<bigint | null> {
  for (const [i, { size, root: given }] of heads.entries()) {
    if (size > 0n && !(await rootAt(size, read)).equals(given)) return size;
    const next = heads[i + 1];
    if (next === undefined || size === 0n) continue;
    if (next.size < size) return size;
    const proof = await proveConsistency(size, next.size, read);
    const claim = { first: size, firstRoot: given, second: next.size, secondRoot: next.root };
    if (!verifyConsistency({ ...claim, proof })) return size;
  }
  return null;
}

/** What is signed is in the database, whatever happened to who signed it. */
async function expectSignedIsHeld(log: Log): Promise<void> {
  const { rows } = await log.owner.query<{ size: number; leaves: number }>(
    "select size, (select count(*) from audit_leaves) as leaves from audit_head",
  );
  const [{ size, leaves } = { size: -1, leaves: -2 }] = rows;
  expect(leaves).toBe(size);
  const newest = (await published(log)).at(-1);
  expect(Number(newest?.size ?? 0n)).toBeLessThanOrEqual(size);
}

type Rows = readonly object[] | undefined;

/** Readable where thousands of rows are compared. */
function firstDifference(found: Rows = [], expected: Rows = []): string | null {
  const [one, other] = [found, expected].map((rows) => rows.map(readable));
  const at = (one ?? []).findIndex((row, i) => row !== other?.[i]);
  if (at < 0 && one?.length === other?.length) return null;
  return `row ${at} of ${one?.length} and ${other?.length}: ${one?.[at]}\n${other?.[at]}`;
}

const readable = (row: object): string =>
  JSON.stringify(row, (_, value) =>
    value?.type === "Buffer" ? Buffer.from(value.data).toString("latin1") : value,
  );

/** Lets the log reach a whole number of batches, and compares it with one that nobody disturbed. */
async function expectUndisturbed(log: Log): Promise<void> {
  const until = (await positionOf(log)) + 1;
  const undisturbed = await newLog();
  for (const { world } of [log, undisturbed]) {
    await live(world, unwatched, (batch) => batch >= until);
  }
  const [found, expected] = [await contentOf(log), await contentOf(undisturbed)];
  for (const name of Object.keys(CONTENT))
    expect(firstDifference(found[name], expected[name]), name).toBeNull();
  expect(await expectSound(log)).toBe(await expectSound(undisturbed));
  const size = found.leaves?.length ?? 0;
  expect(size).toBeGreaterThan(until * (BATCH_RECORDS / 2));

  const checkpoints = await published(log);
  expect(await firstFork(checkpoints, readNodes(log.owner))).toBeNull();
  expect(Number(checkpoints.at(-1)?.size)).toBe(size);
  const { folder: kept, prefix, origin } = log.world;
  const file = join(kept, `${prefix}${encodeURIComponent(origin)}.checkpoint`);
  expect(readFileSync(file, "utf8")).toBe(checkpoints.at(-1)?.note);
}

/** Each step of a life as something to aim at; of more than `count` some, evenly. */
function aimsOf(steps: readonly string[], count: number): readonly Aim[] {
  const seen = new Map<string, number>();
  const all = steps.map((step): Aim => {
    const occurrence = (seen.get(step) ?? 0) + 1;
    seen.set(step, occurrence);
    return { step, occurrence };
  });
  const at = (i: number) => Math.floor(((i + 0.5) * all.length) / count) % all.length;
  return Array.from({ length: count }, (_, i) => all[at(i)] as Aim);
}

/** Cuts the appender's connection at each of these steps, counted from the cut before. */
function cutting({ world, owner }: Log, aims: readonly Aim[]) {
  let cuts = 0;
  let isAim = aimedAt(aims[0] as Aim);
  const isDue = (step: string): boolean => {
    if (cuts === aims.length || !isAim(step)) return false;
    cuts += 1;
    isAim = aimedAt(aims[cuts] ?? (aims[0] as Aim));
    return true;
  };
  const cut = async (): Promise<void> => void (await owner.query(CUT, [appenderOf(world)]));
  return { watch: watchFor(isDue, cut), cuts: () => cuts };
}

/** What would be missed in the list if it came no more. */
const MUST_COME = [
  ...["from audit_head", "into audit_leaves", "into audit_tiles", "update audit_head"],
  ...["from audit_subjects", "into audit_subjects", "into audit_tenant_keys"],
  ...["into audit_conflicts", "into audit_large_payloads", "into audit_emitters"],
  ...["into sink_offsets", "commit", "keep topic", "keep file", "keep database"],
].flatMap((what) => [`before ${what}`, `during ${what}`]);

const CUT = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1";

describe("AUD-01: the log of an undisturbed run is made by a sink", () => {
  /** Of a log that has begun. */
  async function begun(): Promise<{ readonly log: Log; readonly aims: readonly Aim[] }> {
    const log = await newLog();
    await run(log, BATCHES_BEFORE);
    const steps = (await run(log, BATCHES_OF_STEPS)).split("\n");
    for (const each of MUST_COME) expect(steps).toContain(each);
    return { log, aims: aimsOf(steps, LIVES) };
  }

  test(
    "that is killed at every step of an append, and between commit and publication",
    async () => {
      const { log, aims } = await begun();
      for (const aim of aims) {
        expect(await run(log, BATCHES_MAX, aim)).toBe(aim.step);
        await expectSignedIsHeld(log);
      }
      await expectUndisturbed(log);
    },
    TIMEOUT_MS,
  );

  test(
    "whose connection is cut at every step of an append",
    async () => {
      const { log, aims } = await begun();
      const { watch, cuts } = cutting(log, aims);
      const last = (await positionOf(log)) + LIVES * BATCHES_MAX;
      const isOver = (batch: number) => cuts() === aims.length || batch > last;
      const failures = await live(log.world, watch, isOver);
      expect(cuts()).toBe(aims.length);
      // A cut behind the commit fails nothing.
      expect(failures).toBeGreaterThan(LIVES / 2);
      await expectUndisturbed(log);
    },
    TIMEOUT_MS,
  );
});

describe("what these tests look for is found where it is planted", () => {
  const leaves = numbered(9).map((leaf) => leafHash(leaf));
  const read = naiveNodes(numbered(9));
  const headAt = (size: number, of = leaves): Head => ({
    size: BigInt(size),
    root: rootOf(appendLeaves(EMPTY_FRONTIER, of.slice(0, size)).frontier),
  });

  test("a checkpoint of another tree, one that goes back, and none", async () => {
    const fork = leaves.with(3, leaves[4] as Buffer);
    expect(await firstFork([headAt(0), headAt(3), headAt(3), headAt(9)], read)).toBeNull();
    expect(await firstFork([headAt(3), headAt(5, fork), headAt(9)], read)).toBe(3n);
    expect(await firstFork([headAt(2), headAt(5), headAt(4)], read)).toBe(5n);
  });

  test("a row that is lost, there twice or another one", () => {
    const rows = [1, 2, 3].map((n) => ({ n, leaf: Buffer.of(n) }));
    expect(firstDifference(rows, [...rows])).toBeNull();
    expect(firstDifference(rows.slice(0, 2), rows)).toMatch(/of 2 and 3/);
    expect(firstDifference([...rows, ...rows.slice(2)], rows)).toMatch(/row 3 of 4 and 3/);
    expect(firstDifference(rows.with(1, { n: 2, leaf: Buffer.of(9) }), rows)).toMatch(/row 1/);
  });
});
