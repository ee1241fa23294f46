import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { proveConsistency, verifyConsistency } from "@vigie/audit-log/proofs";
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from "@vigie/audit-log/tree";
import { silentLogger } from "@vigie/core/log";
import { internalTopic } from "@vigie/schemas/catalogue";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { type KafkaClient, openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { eventually } from "@vigie/testkit/eventually";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { ROLE } from "#guard";
import { databasePlace } from "./database-place.ts";
import { filePlace } from "./file-place.ts";
import { type LogKeys, openSigned } from "./keys.ts";
import type { Place } from "./place.ts";
import { type Signer, type SignerEvents, startSigner } from "./signer.ts";
import { logKeys } from "./testing.ts";
import { CHECKPOINT_TOPIC, newestNote, topicPlace } from "./topic-place.ts";
import { databaseTree } from "./tree.ts";

const root = resolve(import.meta.dirname, "../../../..");
let servers: TestStack;
let client: KafkaClient;
let admin: KafkaAdmin;
/** As the migrations ran. */
let owner: Database;
/** As the service works. */
let service: Database;
let folder: string;
let topic: string;
/** A log of its own for each test; all are of one tree, as after a change of the origin. */
let keys: LogKeys;
let logs = 0;

beforeAll(async () => {
  servers = await stack();
  folder = mkdtempSync(join(tmpdir(), "vigie-signer-"));
  client = openKafka({ brokers: [servers.kafka], clientId: "test", log: silentLogger });
  admin = await openAdmin(client);
  topic = servers.prefix + CHECKPOINT_TOPIC;
  await admin.createTopics([{ ...internalTopic(CHECKPOINT_TOPIC), topic }]);
  const { postgres: url, schema } = servers;
  const wanted = ["platform", "audit-sink"];
  const folders = migrationFolders(root).filter((each) => wanted.includes(each.owner));
  await migrate({ url, schema, folders, log: silentLogger });
  const about = { url, schema, applicationName: "test", statementTimeoutMs: 20_000, poolMax: 4 };
  owner = openDatabase({ ...about, log: silentLogger });
  service = openDatabase({ ...about, role: ROLE, log: silentLogger });
});
afterAll(async () => {
  await owner.query(`drop schema "${servers.schema}" cascade`);
  await Promise.all([owner.close(), service.close()]);
  await admin.deleteTopics([topic]);
  await admin.close();
  rmSync(folder, { recursive: true });
  await servers.close();
});
beforeEach(async () => {
  logs += 1;
  keys = logKeys(`log-${logs}.example/audit`);
  await truncate(0);
});

const HEAD = "update audit_head set size = $1, frontier = $2";
const LEAVES = `
  insert into audit_leaves (index, tenant_id, tenant_key, event_id, leaf, leaf_hash, signature, key_id)
  select index, gen_random_uuid(), 't', gen_random_uuid()::text, leaf, leaf_hash, leaf_hash, 'k'
    from unnest($1::bigint[], $2::bytea[], $3::bytea[]) as given (index, leaf, leaf_hash)`;
const TILE = "insert into audit_tiles (level, index, hashes, root) values (0, $1, $2, $3)";

/** Appends leaves `name <index>`, as whoever owns the tables. */
async function append(count: number, name = "leaf"): Promise<void> {
  await owner.transaction(async (tx) => {
    const { rows } = await tx.query<{ leaf_hash: Buffer }>(
      "select leaf_hash from audit_leaves order by index",
    );
    const hashes = rows.map((row) => row.leaf_hash);
    const from = hashes.length;
    const data = Array.from({ length: count }, (_, i) => Buffer.from(`${name} ${from + i}`));
    hashes.push(...data.map((each) => leafHash(each)));
    await tx.query(LEAVES, [data.map((_, i) => from + i), data, hashes.slice(from)]);
    for (let tile = Math.floor(from / 256); (tile + 1) * 256 <= hashes.length; tile += 1) {
      const own = hashes.slice(tile * 256, (tile + 1) * 256);
      const { frontier } = appendLeaves(EMPTY_FRONTIER, own);
      await tx.query(TILE, [tile, Buffer.concat(own), rootOf(frontier)]);
    }
    const { frontier } = appendLeaves(EMPTY_FRONTIER, hashes);
    await tx.query(HEAD, [hashes.length, frontier.hashes]);
  });
}

const LOG = ["audit_leaves", "audit_tiles", "audit_checkpoints"] as const;

/** As a restored backup: what came after `size` leaves is gone. Nobody but a superuser can. */
async function truncate(size: number): Promise<void> {
  for (const table of LOG) await owner.query(`alter table ${table} disable trigger user`);
  await owner.query("delete from audit_leaves where index >= $1", [size]);
  await owner.query("delete from audit_tiles where (index + 1) * 256 > $1", [size]);
  await owner.query("delete from audit_checkpoints where size > $1", [size]);
  await owner.query("update audit_head set size = 0, frontier = '{}'");
  for (const table of LOG) {
    await owner.query(`alter table ${table} enable always trigger no_change`);
    await owner.query(`alter table ${table} enable always trigger no_truncate`);
  }
  await append(0);
}

interface Life {
  readonly wrap?: (place: Place) => Place;
  readonly events?: Partial<SignerEvents>;
  /** Machines have a folder each. */
  readonly machine?: string;
}

function start({ wrap = (place) => place, events = {}, machine = "one" }: Life = {}): Signer {
  const { prefix } = servers;
  const { origin } = keys;
  const signer = startSigner({
    tree: databaseTree(service, readNodes(service)),
    keys,
    openTopic: () => {
      const place = topicPlace({ client, prefix, origin });
      const { newest, keep } = wrap(place);
      return { ...place, newest, keep };
    },
    places: [
      wrap(filePlace(join(folder, machine), prefix, origin)),
      wrap(databasePlace(service, origin, Date.now)),
    ],
    log: silentLogger,
    events: { signed: () => {}, broken: () => {}, leads: () => {}, ...events },
    everyMs: 5,
  });
  onTestFinished(() => signer.stop());
  return signer;
}

const file = (machine = "one"): string =>
  join(folder, machine, `${servers.prefix}${encodeURIComponent(keys.origin)}.checkpoint`);

async function published(): Promise<bigint[]> {
  const sizes: bigint[] = [];
  const reader = await openLoneReader(client);
  await reader.read({ topic, partition: 0, from: "earliest", to: "end" }, (records) => {
    for (const { key, value } of records) {
      if (key?.toString() !== keys.origin) continue;
      sizes.push(openSigned(String(value), keys).size);
    }
  });
  await reader.close();
  return sizes;
}

async function stored(): Promise<{ size: number; note: string }[]> {
  const { rows } = await service.query<{ size: number; note: string }>(
    "select size, note from audit_checkpoints where origin = $1 order by size",
    [keys.origin],
  );
  return [...rows];
}

const inDatabase = async (size: number): Promise<void> => {
  await eventually(async () => expect((await stored()).at(-1)?.size).toBe(size));
};

async function expectConsistent(): Promise<void> {
  const all = (await stored()).map(({ note }) => openSigned(note, keys));
  for (const [i, second] of all.entries()) {
    const first = all[i - 1];
    if (first === undefined || first.size === 0n) continue;
    const proof = await proveConsistency(first.size, second.size, readNodes(service));
    const roots = { firstRoot: first.root, secondRoot: second.root };
    const claim = { first: first.size, second: second.size, ...roots, proof };
    expect(verifyConsistency(claim), `${first.size} to ${second.size}`).toBe(true);
  }
}

test("AUD-01: 100 checkpoints on a real broker and database all extend each other", async () => {
  const signer = start();
  signer.lead(true);
  await inDatabase(0);
  for (let size = 7; size <= 700; size += 7) {
    await append(7);
    await inDatabase(size);
  }
  const all = await stored();
  expect(all.length).toBeGreaterThan(100);
  expect(await published()).toEqual(all.map(({ size }) => BigInt(size)));
  // Written beside the row in the database, so maybe after it.
  await eventually(() => expect(readFileSync(file(), "utf8")).toBe(all.at(-1)?.note));
  await expectConsistent();
});

/** The n-th crossing of a step's beginning or end is the last thing that a life does. */
function dieAt(at: number) {
  let crossings = 0;
  const died = Promise.withResolvers<void>();
  function cross(): void {
    crossings += 1;
    if (crossings === at) died.resolve();
    if (crossings >= at) throw new Error("dead");
  }
  async function step<T>(work: () => Promise<T>): Promise<T> {
    cross();
    const done = await work();
    cross();
    return done;
  }
  const wrap = (place: Place): Place => ({
    name: place.name,
    newest: () => step(() => place.newest()),
    keep: (checkpoint) => step(() => place.keep(checkpoint)),
  });
  return { wrap, died: died.promise };
}

// Three reads and three keeps of a first checkpoint, three keeps of a second: each before and after.
test.each(Array.from({ length: 18 }, (_, i) => i + 1))(
  "killed at step %i of 18, the next signer publishes nothing twice and leaves nothing out",
  async (at) => {
    await append(5);
    const { wrap, died } = dieAt(at);
    const signed = (): void => void append(4, "more");
    const first = start({ wrap, events: { signed } });
    first.lead(true);
    await died;
    first.lead(false);
    await first.stop();
    const { size } = await databaseTree(service, readNodes(service)).head();
    await append(10 - Number(size), "end");
    const second = start();
    second.lead(true);
    await inDatabase(10);
    await second.stop();
    const sizes = await published();
    expect((await stored()).map((row) => BigInt(row.size))).toEqual(sizes);
    expect(new Set(sizes).size).toBe(sizes.length);
    expect(openSigned(readFileSync(file(), "utf8"), keys).size).toBe(10n);
    await expectConsistent();
  },
);

test("two signers at once, on two machines: one sequence of checkpoints", async () => {
  const terms = new Set<string>();
  for (const machine of ["one", "other"]) {
    const leads = (on: boolean): void => void (on && terms.add(machine));
    start({ machine, events: { leads } }).lead(true);
  }
  for (let size = 1; size <= 12; size += 1) {
    await append(1);
    await inDatabase(size);
  }
  await eventually(() => expect(terms.size).toBe(2));
  const sizes = await published();
  expect(sizes).toEqual(sizes.toSorted((a, b) => Number(a - b)));
  expect(new Set(sizes).size).toBe(sizes.length);
  await expectConsistent();
});

/** A log of 20 leaves that was signed, its database then an older copy of 10. */
async function restoredLog(): Promise<void> {
  await append(20);
  const signer = start();
  signer.lead(true);
  await inDatabase(20);
  await signer.stop();
  await truncate(10);
}

async function expectRefused(code: string): Promise<Signer> {
  const broken: Error[] = [];
  const signer = start({ events: { broken: (error) => broken.push(error) } });
  signer.lead(true);
  await eventually(() => expect(broken[0]).toMatchObject({ code }));
  expect((await stored()).filter(({ size }) => size >= 10)).toEqual([]);
  return signer;
}

test("the database replaced by an older copy: nothing is signed until it is whole again", async () => {
  await restoredLog();
  await expectRefused("VIG_AUDIT_TREE_BEHIND");
  await append(10);
  await inDatabase(20);
  await append(1);
  await inDatabase(21);
});

test("the database forked, as large as before and larger: nothing is signed", async () => {
  await restoredLog();
  await append(10, "fork");
  const signer = await expectRefused("VIG_AUDIT_FORKED");
  await append(5, "fork");
  await signer.stop();
  await expectRefused("VIG_AUDIT_FORKED");
});

test("the file lost with an older database: the topic holds the fence", async () => {
  await restoredLog();
  rmSync(file());
  await expectRefused("VIG_AUDIT_TREE_BEHIND");
});

test("the topic lost with an older database: the file holds the fence; whole again, it is published", async () => {
  await restoredLog();
  await admin.deleteTopics([topic]);
  const isGone = async () => expect((await admin.partitionCounts([topic])).size).toBe(0);
  await eventually(isGone);
  await admin.createTopics([{ ...internalTopic(CHECKPOINT_TOPIC), topic }]);
  expect(await published()).toEqual([]);
  await expectRefused("VIG_AUDIT_TREE_BEHIND");
  await append(10);
  await inDatabase(20);
  expect(await published()).toEqual([20n]);
});

test("a file that somebody wrote to is not believed, nor passed over", async () => {
  await append(3);
  const signer = start();
  signer.lead(true);
  await inDatabase(3);
  await signer.stop();
  writeFileSync(file(), readFileSync(file(), "utf8").replace("\n3\n", "\n2\n"));
  const broken: Error[] = [];
  start({ events: { broken: (error) => broken.push(error) } }).lead(true);
  const code = "VIG_AUDIT_FENCE_UNREADABLE";
  await eventually(() => expect(broken[0]).toMatchObject({ code }));
  const note = await newestNote({ client, prefix: servers.prefix, origin: keys.origin });
  expect(openSigned(String(note), keys).size).toBe(3n);
});
