import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
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
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSigned, type SignedCheckpoint } from "./checkpoint/keys.ts";
import { CHECKPOINT_TOPIC } from "./checkpoint/topic-place.ts";
import { expectSound } from "./test-store.ts";
import {
  appenderOf,
  keysOf,
  live,
  unwatched,
  type Watch,
  type World,
} from "./testing/fault-life.ts";
import { BATCH_RECORDS } from "./testing/fault-records.ts";

const root = resolve(import.meta.dirname, "../../..");
const CHILD = join(import.meta.dirname, "testing/faulty-sink.ts");
const LIVES = process.env.VIGIE_TEST_FULL === undefined ? 40 : 200;
/** In two batches every step comes at least once with all that it can find in the database. */
const BATCHES_OF_A_LIFE = 2;
const WITHOUT_END = Number.MAX_SAFE_INTEGER;
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
  const world = { postgres: url, schema, kafka, prefix, folder, origin };
  const log = { world: { ...world, signingKey: String(signingKey) }, owner };
  logs.push(log);
  return log;
}

/** A process that kills itself at step `at`; 0: that goes on to the end. Returns: what it printed. */
async function run({ world }: Log, at: number, until: number): Promise<string> {
  const args = ["--disable-warning=ExperimentalWarning", CHILD, JSON.stringify(world)];
  const child = spawn(process.execPath, [...args, String(at), String(until)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH },
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
  assert.equal(signal ?? code, at === 0 ? 0 : "SIGKILL", err);
  return out;
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
  const { rows } = await log.owner.query<{ next: number }>(
    "select coalesce(max(next_offset), 0) as next from sink_offsets where topic = 'id.subject.erasure'",
  );
  const until = (rows[0]?.next ?? 0) + 1;
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

/** So many numbers from 1 to `last`, evenly. */
const spread = (count: number, last: number): number[] =>
  Array.from({ length: count }, (_, i) => 1 + Math.floor(((i + 0.5) * last) / count));

/** Cuts the appender's connection, each time so many steps after the cut before. */
function cutting({ world, owner }: Log, afterSteps: readonly number[]) {
  const reached = new Set<string>();
  let cuts = 0;
  let steps = 0;
  const isDue = (step: string): boolean => {
    steps += 1;
    if (steps !== afterSteps[cuts]) return false;
    reached.add(step);
    steps = 0;
    cuts += 1;
    return true;
  };
  const cut = async (): Promise<void> => void (await owner.query(CUT, [appenderOf(world)]));
  const watch: Watch = {
    before: (step) => (isDue(`before ${step}`) ? cut() : undefined),
    during(step) {
      if (isDue(`during ${step}`)) void cut();
    },
  };
  return { watch, reached, isOver: () => cuts === afterSteps.length };
}

const CUT = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1";

describe("AUD-01: the log of an undisturbed run is made by a sink", () => {
  let steps: readonly string[];

  /** Every kind of step was reached, where there were enough faults for all. */
  function expectReached(reached: ReadonlySet<string>): void {
    const kinds = new Set(steps);
    if (LIVES >= steps.length) expect([...kinds].filter((kind) => !reached.has(kind))).toEqual([]);
    else expect(reached.size).toBeGreaterThan(Math.min(LIVES, kinds.size) / 2);
  }

  test(
    "that is killed at every step of an append, and between commit and publication",
    async () => {
      const log = await newLog();
      steps = (await run(log, 0, BATCHES_OF_A_LIFE)).split("\n");
      const reached = new Set<string>();
      for (const at of spread(LIVES, steps.length)) {
        reached.add(await run(log, at, WITHOUT_END));
        await expectSignedIsHeld(log);
      }
      await expectUndisturbed(log);
      expectReached(reached);
    },
    TIMEOUT_MS,
  );

  test(
    "whose connection is cut at every step of an append",
    async () => {
      const log = await newLog();
      const { watch, reached, isOver } = cutting(log, spread(LIVES, steps.length));
      const failures = await live(log.world, watch, isOver);
      // A cut behind the commit fails nothing.
      expect(failures).toBeGreaterThan(LIVES / 2);
      await expectUndisturbed(log);
      expectReached(reached);
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
