import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatVerifierKey } from "@vigie/audit-log/note";
import { silentLogger } from "@vigie/core/log";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { processEnv } from "@vigie/testkit/process-env";
import { afterAll, expect, test } from "vitest";
import { signCheckpoint } from "../checkpoint/keys.ts";
import { logKeys } from "../checkpoint/testing.ts";
import { CHECKPOINT_TOPIC, topicPlace } from "../checkpoint/topic-place.ts";
import { SECRET, sampleLeaf } from "./memory-log.ts";
import { openStoredLog } from "./test-log.ts";

const keys = logKeys();
const log = await openStoredLog();
const { db, servers } = log;
const folder = mkdtempSync(join(tmpdir(), "vigie-fsck-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the command as an operator does. */
function fsck(...args: readonly string[]): {
  readonly code: number | null;
  readonly lines: string[];
} {
  const main = join(import.meta.dirname, "..", "main.ts");
  const key = ["--key", formatVerifierKey(keys.signer.key)];
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "fsck", ...key, ...args], {
    encoding: "utf8",
    env: {
      ...processEnv,
      ...servers.env,
      AUDIT_ORIGIN: keys.origin,
      WORM_SIGNING_SECRET: SECRET,
    },
  });
  return { code: status, lines: `${stderr}${stdout}`.trim().split("\n") };
}

/** Changes the log as only a superuser can, past rights and triggers, checks it, and puts it back. */
async function spoilt(
  table: string,
  change: string,
  args: readonly string[] = [],
): Promise<ReturnType<typeof fsck>> {
  await db.query(`create table kept as table ${table}`);
  await db.query(`alter table ${table} disable trigger user`);
  try {
    await db.query(change);
    return fsck(...args);
  } finally {
    await db.query(`delete from ${table}`);
    await db.query(`insert into ${table} select * from kept`);
    await db.query("drop table kept");
    const { rows } = await db.query<{ name: string }>(
      "select tgname as name from pg_trigger where tgrelid = $1::regclass",
      [table],
    );
    for (const { name } of rows) {
      await db.query(`alter table ${table} enable always trigger ${name}`);
    }
  }
}

const SIZE = 700;
for (const to of [1, 256, 300, SIZE]) {
  const { rows } = await db.query<{ size: number }>("select size from audit_head");
  const from = rows[0]?.size ?? 0;
  await log.append(Array.from({ length: to - from }, (_, i) => sampleLeaf(from + i)));
  await log.sign(keys);
}

const INTACT = `${SIZE} of ${SIZE} leaves, 2 tiles, 4 signed roots: intact`;

test("AUD-01: a log that nobody touched is intact", () => {
  expect(fsck()).toEqual({ code: 0, lines: [INTACT] });
});

const FLIP = (column: string, at: number): string =>
  `set ${column} = set_byte(${column}, ${at}, get_byte(${column}, ${at}) # 1)`;

interface Tampering {
  readonly what: string;
  readonly table: string;
  readonly change: string;
  readonly code: number;
  /** Its first finding. */
  readonly found: string;
}

const TAMPERINGS: readonly Tampering[] = [
  {
    what: "a bit of a leaf",
    table: "audit_leaves",
    change: `update audit_leaves ${FLIP("leaf", 40)} where index = 255`,
    code: 1,
    found: "tampered: leaf 255: leaf_hash is not the hash of its bytes",
  },
  {
    what: "a row that is deleted",
    table: "audit_leaves",
    change: "delete from audit_leaves where index = 255",
    code: 1,
    found: "tampered: leaf 255: its row is gone",
  },
  {
    what: "two rows that changed places",
    table: "audit_leaves",
    change: `update audit_leaves set index = 1000 where index = 3;
             update audit_leaves set index = 3 where index = 4;
             update audit_leaves set index = 4 where index = 1000`,
    code: 1,
    found:
      "tampered: checkpoint of 256 leaves (audit_checkpoints): its root is not that of these leaves",
  },
  {
    what: "a tail that is cut off",
    table: "audit_leaves",
    change: `delete from audit_leaves where index >= ${SIZE - 1}`,
    code: 1,
    found: `tampered: leaf ${SIZE - 1}: its row is gone`,
  },
  {
    what: "a changed tile",
    table: "audit_tiles",
    change: `update audit_tiles ${FLIP("hashes", 32)} where index = 1`,
    code: 1,
    found: "tampered: tile 0/1: its hash of leaf 257 is not the one of these leaves",
  },
  {
    what: "a changed frontier",
    table: "audit_head",
    change: "update audit_head set frontier = frontier[2:] || frontier[1]",
    code: 1,
    found: "tampered: frontier: it is not that of these leaves",
  },
  {
    what: "a head that was set back",
    table: "audit_head",
    change: "update audit_head set size = 300",
    code: 1,
    found: `tampered: leaves 300 to ${SIZE - 1}: the head has 300 leaves, but a tree of ${SIZE} was signed`,
  },
  {
    what: "a checkpoint of another root",
    table: "audit_checkpoints",
    change: `update audit_checkpoints ${FLIP("root", 0)} where size = 256`,
    code: 1,
    found:
      "tampered: checkpoint of 256 leaves (audit_checkpoints): its columns are not those of its note",
  },
  {
    what: "a note that was changed",
    table: "audit_checkpoints",
    change:
      "update audit_checkpoints set note = replace(note, E'\\n256\\n', E'\\n257\\n') where size = 256",
    code: 1,
    found: "tampered: checkpoint of 256 leaves (audit_checkpoints): VIG_AUDIT_NOTE_UNTRUSTED",
  },
  {
    what: "a cosignature of another tree",
    table: "audit_cosignatures",
    change: `insert into audit_cosignatures
             select origin, 256, root, 'w.example', '00000000', 'line', 0
               from audit_checkpoints where size = 300`,
    code: 1,
    found: "tampered: checkpoint of 256 leaves (cosigned by w.example): its root is not",
  },
  {
    what: "a name that could be taken for what is said",
    table: "audit_cosignatures",
    change: `insert into audit_cosignatures
             select origin, 256, root, E'w\\x1b[2J\\nintact', '00000000', 'line', 0
               from audit_checkpoints where size = 300`,
    code: 1,
    found: "(cosigned by w\ufffd[2J\ufffdintact): its root is not",
  },
  {
    what: "a cosignature of a larger tree, whose checkpoint is gone",
    table: "audit_cosignatures",
    change: `insert into audit_cosignatures
             select origin, 900, root, 'w.example', '00000000', 'line', 0
               from audit_checkpoints where size = 300`,
    code: 1,
    found: "tampered: leaves 700 to 899: the head has 700 leaves, but a tree of 900 was signed",
  },
];

for (const { what, table, change, code, found } of TAMPERINGS) {
  test(`AUD-01: ${what} is found, and where`, async () => {
    const answer = await spoilt(table, change);
    expect(answer.lines[0]).toContain(found);
    expect(answer.code).toBe(code);
  });
}

test("a checkpoint that is gone from the database is missed by topic and folder", async () => {
  const { prefix, kafka } = servers;
  const client = openKafka({ brokers: [kafka], clientId: "test", log: silentLogger });
  const admin = await openAdmin(client);
  await admin.createTopics([{ topic: prefix + CHECKPOINT_TOPIC, partitions: 1 }]);
  const topic = topicPlace({ client, prefix, origin: keys.origin });
  await topic.claim();
  for (const checkpoint of log.signed) await topic.keep(checkpoint);
  await topic.close();
  writeFileSync(join(folder, "old.checkpoint"), log.signed[1]?.note ?? "");
  const everywhere = ["--topic", "--folder", folder];
  expect(fsck(...everywhere)).toEqual({ code: 0, lines: [INTACT] });

  const gone = "delete from audit_checkpoints where size = 256";
  const { code, lines } = await spoilt("audit_checkpoints", gone, everywhere);
  const why = "it is not among audit_checkpoints";
  expect(lines).toEqual([
    `incomplete: checkpoint of 256 leaves (topic ${CHECKPOINT_TOPIC}): ${why}`,
    `incomplete: checkpoint of 256 leaves (${join(folder, "old.checkpoint")}): ${why}`,
    `${SIZE} of ${SIZE} leaves, 2 tiles, 5 signed roots: 2 incomplete`,
  ]);
  expect(code).toBe(2);
  await admin.deleteTopics([prefix + CHECKPOINT_TOPIC]);
  await admin.close();
});

test("a checkpoint of a larger tree, kept in a folder, tells of a database that was set back", async () => {
  const other = logKeys(keys.origin);
  const forged = signCheckpoint(
    { ...keys, signer: keys.signer },
    { size: 900n, root: Buffer.alloc(32) },
  );
  writeFileSync(join(folder, "checkpoint"), forged.note);
  const { code, lines } = fsck("--folder", folder);
  expect(lines[0]).toBe(
    "tampered: leaves 700 to 899: the head has 700 leaves, but a tree of 900 was signed",
  );
  expect(code).toBe(1);

  // A note of a key that nobody knows says nothing.
  const stranger = signCheckpoint(other, { size: 700n, root: Buffer.alloc(32) });
  writeFileSync(join(folder, "checkpoint"), stranger.note);
  const unknown = fsck("--folder", folder);
  expect(unknown.lines[0]).toContain("unreadable: ");
  expect(unknown.code).toBe(4);
  rmSync(join(folder, "checkpoint"));
});

test("what is asked for wrongly, or away, is told of and ends with its code", () => {
  expect(fsck("--folders").code).toBe(64);
  expect(fsck("--key", "none").code).toBe(64);
  expect(fsck("--folder", join(folder, "none")).code).toBe(4);
});
