import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { silentLogger } from "@vigie/core/log";
import { deadLetterName, internalTopic } from "@vigie/schemas/catalogue";
import { type Codecs, openCodecs } from "@vigie/schemas/codecs";
import { registerSchemas } from "@vigie/schemas/provision";
import type { AuditEvent } from "@vigie/schemas/types";
import { createKeysFile } from "@vigie/service-kit/kms/keys-file";
import { createSigningKey } from "@vigie/service-kit/kms/signing-key";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { type KafkaClient, openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { type BatchingProducer, openBatchingProducer } from "@vigie/stream/kafka/producer";
import { eventually } from "@vigie/testkit/eventually";
import { processEnv } from "@vigie/testkit/process-env";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { auditTopics } from "#sink";
import { asOwner, expectSound, testLog } from "#test-store";
import { auditEvent, SECRET } from "#testing";
import { CHECKPOINT_TOPIC } from "./topic-place.ts";

const root = resolve(import.meta.dirname, "../../../..");
const main = join(root, "services/audit-sink/src/main.ts");
const PARTITIONS = 6;
const ORIGIN = "log.example/audit";

const log = testLog();
let client: KafkaClient;
let admin: KafkaAdmin;
let producer: BatchingProducer;
let codecs: Codecs;
let folder: string;
let vkeys: { readonly log: string; readonly witness: string };
let published = 0;
const children = new Set<ChildProcess>();
const physical = (): string[] =>
  [...auditTopics.flatMap((topic) => [topic, deadLetterName(topic)]), CHECKPOINT_TOPIC].map(
    (topic) => log.servers.prefix + topic,
  );

beforeAll(async () => {
  const { kafka, prefix, registry: registryUrl } = log.servers;
  folder = mkdtempSync(join(tmpdir(), "vigie-log-"));
  createKeysFile(join(folder, "keys.json"), 0);
  const own = createSigningKey(join(folder, "log.key"), ORIGIN);
  const other = createSigningKey(join(folder, "witness.key"), "witness.example", "cosignature");
  vkeys = { log: own.verifierKey, witness: other.verifierKey };
  client = openKafka({ brokers: [kafka], clientId: "test", log: silentLogger });
  admin = await openAdmin(client);
  producer = await openBatchingProducer(client);
  await registerSchemas({ registryUrl, prefix });
  const cacheDir = join(folder, "schemas");
  codecs = await openCodecs({ registryUrl, cacheDir, prefix, log: silentLogger });
});
beforeEach(async () => {
  const about = { partitions: PARTITIONS };
  await admin.createTopics(
    physical().map((topic) =>
      topic.endsWith(CHECKPOINT_TOPIC)
        ? { ...internalTopic(CHECKPOINT_TOPIC), topic }
        : { ...about, topic },
    ),
  );
  published = 0;
});
afterEach(async () => {
  for (const child of [...children]) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await admin.deleteTopics(physical());
  const isGone = async () => expect((await admin.partitionCounts(physical())).size).toBe(0);
  await eventually(isGone);
  rmSync(join(folder, "tiles"), { recursive: true, force: true });
  rmSync(join(folder, "state"), { recursive: true, force: true });
});
afterAll(async () => {
  codecs.close();
  await producer.close();
  await admin.close();
  rmSync(folder, { recursive: true });
});

type Env = Readonly<Record<string, string>>;

const environment = (over: Env): Env => ({
  ...processEnv,
  ...log.servers.env,
  VIGIE_STATE_DIR: join(folder, "state", "one"),
  VIGIE_KEYS_FILE: join(folder, "keys.json"),
  WORM_SIGNING_SECRET: SECRET,
  AUDIT_ORIGIN: ORIGIN,
  AUDIT_SIGNING_KEY_FILE: join(folder, "log.key"),
  METRICS_PORT: "0",
  HOST: "127.0.0.1",
  ...over,
});

function run(args: readonly string[], over: Env = {}): ChildProcess {
  const child = spawn(process.execPath, [main, ...args], {
    env: environment(over),
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** A command to its end. */
async function command(args: readonly string[]): Promise<readonly [number, string]> {
  const child = run(args, { LOG_LEVEL: "fatal" });
  let out = "";
  child.stdout?.on("data", (text) => {
    out += text;
  });
  const [code] = (await once(child, "exit")) as [number];
  return [code, out];
}

interface Started {
  readonly child: ChildProcess;
  readonly ops: string;
  readonly port: number;
}

async function start(args: readonly string[] = [], over: Env = {}): Promise<Started> {
  const child = run(args, over);
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const { event, metricsPort, port } = JSON.parse(line) as Record<string, number | string>;
    if (event !== "started") continue;
    child.stdout?.resume();
    return { child, ops: `http://127.0.0.1:${metricsPort}`, port: Number(port) };
  }
  throw new Error("it ended before it had started");
}

async function publish(count: number): Promise<void> {
  const encoder = codecs.encoder<AuditEvent>("id.audit");
  await codecs.ready();
  const topic = `${log.servers.prefix}id.audit`;
  const sent = Array.from({ length: count }, (_, i) => {
    const number = published + i;
    const partition = number % PARTITIONS;
    const emitter = `sessions.${partition}`;
    const emitter_seq = Math.floor(number / PARTITIONS) + 1;
    const value = encoder.encode(auditEvent(number, { emitter, emitter_seq }));
    return producer.publish({ topic, partition, key: emitter, value });
  });
  await Promise.all(sent);
  published += count;
}

/** Sizes of the published checkpoints, in their order. */
async function signedSizes(): Promise<number[]> {
  const sizes: number[] = [];
  const reader = await openLoneReader(client);
  const range = { partition: 0, from: "earliest", to: "end" } as const;
  await reader.read({ topic: log.servers.prefix + CHECKPOINT_TOPIC, ...range }, (records) => {
    for (const { value } of records) sizes.push(Number(String(value).split("\n")[1]));
  });
  await reader.close();
  return sizes;
}

const isSigned = (size: number) =>
  eventually(async () => expect((await signedSizes()).at(-1)).toBe(size));

async function leaves(): Promise<number> {
  const { rows } = await log.owner.query<{ n: number }>("select count(*) as n from audit_leaves");
  return rows[0]?.n ?? 0;
}

async function healthOf({ ops }: Started): Promise<Record<string, { status: string }>> {
  const answer = (await (await fetch(`${ops}/health`)).json()) as {
    parts: Record<string, { status: string }>;
  };
  return answer.parts;
}

const tiles = (): string => join(folder, "tiles");
const inTiles = (size: number) =>
  eventually(() => {
    const note = readFileSync(join(tiles(), "checkpoint"), "utf8");
    expect(note.split("\n")[1]).toBe(String(size));
    return note;
  });

test("AUD-01: what is appended is signed, cosigned by a witness and in files that verify offline", async () => {
  const witness = await start(["witness"], {
    VIGIE_STATE_DIR: join(folder, "state", "witness"),
    WITNESS_KEY_FILE: join(folder, "witness.key"),
    WITNESS_LOGS: vkeys.log,
    WITNESS_PORT: "0",
  });
  const service = await start([], {
    AUDIT_WITNESSES: `${vkeys.witness} http://127.0.0.1:${witness.port}`,
    AUDIT_TILES_URL: tiles(),
  });
  await publish(300);
  await isSigned(300);
  await eventually(async () => expect(await inTiles(300)).toContain("— witness.example "));
  const parts = await healthOf(service);
  for (const part of ["log", "checkpoints", "tiles", "witness witness.example"]) {
    expect(parts[part]?.status, part).toBe("up");
  }
  const verify = join(root, "scripts/audit-verify/main.mjs");
  const child = spawn(process.execPath, [
    verify,
    tiles(),
    "--key",
    vkeys.log,
    "--witness",
    vkeys.witness,
  ]);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      said += text;
    });
  }
  const [code] = await once(child, "exit");
  expect([code, said]).toEqual([0, expect.stringContaining("300")]);
  witness.child.kill("SIGKILL");
  await publish(30);
  await isSigned(330);
});

test("two services append and one signs; killed, the other one goes on", async () => {
  const over = { AUDIT_TILES_URL: tiles() };
  const services = [
    await start([], { ...over, VIGIE_STATE_DIR: join(folder, "state", "one") }),
    await start([], { ...over, VIGIE_STATE_DIR: join(folder, "state", "two") }),
  ];
  const signs = async ({ ops }: Started): Promise<boolean> => {
    const metrics = await (await fetch(`${ops}/metrics`)).text();
    return metrics.includes("\nvigie_audit_signs 1\n");
  };
  await publish(100);
  await isSigned(100);
  const leads = await Promise.all(services.map(signs));
  expect(leads.filter(Boolean)).toHaveLength(1);
  await eventually(async () => {
    const parts = (await Promise.all(services.map(healthOf))).flatMap(Object.entries);
    expect(parts.filter(([, { status }]) => status !== "up")).toEqual([]);
  });
  services[leads.indexOf(true)]?.child.kill("SIGKILL");
  await publish(100);
  await isSigned(200);
  const other = services[leads.indexOf(false)] as Started;
  await eventually(async () => expect(await signs(other)).toBe(true));
  const sizes = await signedSizes();
  expect(sizes).toEqual([...new Set(sizes)].toSorted((a, b) => a - b));
  await expectSound(log);
});

/** As a backup of the time when there were `size` leaves. The offsets are those of then, or older. */
const restoreBackup = (size: number): Promise<void> =>
  asOwner(
    log,
    `delete from audit_leaves where index >= ${size};
     delete from audit_tiles where (index + 1) * 256 > ${size};
     delete from audit_checkpoints where size > ${size};
     delete from audit_emitters;
     update sink_offsets set next_offset = 0;
     update audit_head set size = ${size}, frontier = (select frontier from backup_head)`,
  );

test("a restored older database is neither signed nor appended to until its leaves are back", async () => {
  const options = { AUDIT_TILES_URL: tiles() };
  let service = await start([], options);
  await publish(200);
  await isSigned(200);
  await log.owner.query("drop table if exists backup_head");
  await log.owner.query("create table backup_head as select frontier from audit_head");
  // Two checkpoints that the backup has not.
  for (const size of [250, 300]) {
    await publish(50);
    await isSigned(size);
  }
  await inTiles(300);
  // A copy, since nobody but the test's own hands may be trusted with the only one.
  cpSync(tiles(), join(folder, "copy"), { recursive: true });
  await restoreBackup(200);
  await publish(30);
  const isRefused = async () => expect((await healthOf(service)).log?.status).toBe("down");
  await eventually(isRefused);
  service.child.kill("SIGKILL");
  await once(service.child, "exit");
  service = await start([], options);
  await eventually(isRefused);
  expect([await leaves(), (await signedSizes()).at(-1)]).toEqual([200, 300]);

  expect(await command(["restore", "--from", join(folder, "copy")])).toEqual([
    0,
    "100 leaves restored; 300 were signed\n",
  ]);
  // The command has put itself on record and closed its series.
  await isSigned(332);
  expect(await leaves()).toBe(332);
  await expectSound(log);
  expect((await command(["fsck", "--topic", "--folder", join(folder, "copy")]))[0]).toBe(0);
  const { rows } = await log.owner.query("select 1 from audit_conflicts");
  expect(rows).toEqual([]);
});

test("main.ts tiles writes the log whole, and tells when there is nothing to write", async () => {
  expect((await command(["tiles", "--to", tiles()]))[0]).toBe(1);
  await start();
  await publish(20);
  await isSigned(20);
  const [code, said] = await command(["tiles", "--to", tiles()]);
  expect([code, said]).toEqual([0, `20 leaves of ${ORIGIN} are in ${tiles()}\n`]);
  await inTiles(20);
  expect((await command(["tiles", "--to", "s3://UPPER"]))[0]).toBe(64);
  expect((await command(["restore"]))[0]).toBe(64);
});

test("a log that cannot be restored is followed by one of another name, which names its last checkpoint", async () => {
  const first = await start();
  await publish(50);
  await isSigned(50);
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  await log.owner.query("drop table if exists backup_head");
  await log.owner.query("create table backup_head as select '{}'::bytea[] as frontier");
  await restoreBackup(0);
  const next = createSigningKey(join(folder, "next.key"), "next.example/audit");
  const over = {
    AUDIT_ORIGIN: next.name,
    AUDIT_SIGNING_KEY_FILE: join(folder, "next.key"),
    VIGIE_STATE_DIR: join(folder, "state", "next"),
  };
  await start([], over);
  const { rows } = await eventually(async () => {
    const found = await log.owner.query<{ leaf: Buffer }>(
      "select leaf from audit_leaves where index = 0",
    );
    expect(found.count).toBe(1);
    return found;
  });
  const leaf = JSON.parse(String(rows[0]?.leaf)) as { action: string; payload: { after: string } };
  expect(leaf.action).toBe("audit.log_continued");
  expect(leaf.payload.after).toMatch(new RegExp(`^${ORIGIN}\\n50\\n`));
  // What the topics still hold is appended to the new log.
  await isSigned(51);
  expect(await leaves()).toBe(51);
  await expectSound(log);
});
