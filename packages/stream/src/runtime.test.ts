import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { partitionOf } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { dlq, ok } from "@vigie/core/outcome";
import { test } from "vitest";
import type { Decoder } from "./codec.ts";
import type { StreamObserver } from "./observer.ts";
import type { AnyProcessor, Processor } from "./processor.ts";
import type { RuntimeOptions } from "./runtime.ts";
import {
  jsonDecoder,
  type LedgerEntry,
  type LedgerEvent,
  type LedgerState,
  ledgerProcessor,
} from "./testing/ledger.ts";
import {
  beginLife,
  Fate,
  type Life,
  MemoryDisk,
  silentObserver,
  withStateDir,
} from "./testing/lives.ts";
import { MemoryBroker } from "./testing/memory-broker.ts";
import { until } from "./testing/until.ts";

const T0 = 1_700_000_000_000;
const TOPICS = ["t.deposits", "t.payments", "t.orders", "t.entries"];
type Ledger = Processor<LedgerState, LedgerEvent, "entries">;

interface World {
  readonly broker: MemoryBroker;
  readonly disk: MemoryDisk;
  readonly stateDir: string;
  readonly begin: (processor?: Ledger, options?: Partial<RuntimeOptions>) => Promise<Life>;
  readonly feed: (topic: string, event: LedgerEvent, timestampMs?: number) => void;
  readonly entries: () => string[];
  readonly committed: (topic: string) => number | null;
}

/** A fresh broker with one partition a topic or more; whatever was started is stopped in the end. */
async function inAWorld(work: (world: World) => Promise<void>, partitions = 1): Promise<void> {
  await withStateDir(async (stateDir) => {
    const broker = new MemoryBroker();
    const disk = new MemoryDisk();
    for (const topic of TOPICS) broker.createTopic(topic, partitions);
    const lives: Life[] = [];
    const begin: World["begin"] = async (processor = ledgerProcessor(), options = {}) => {
      const life = await beginLife(
        { broker, disk, stateDir },
        processor as AnyProcessor,
        new Fate(Number.POSITIVE_INFINITY),
        options,
      );
      lives.push(life);
      return life;
    };
    const feed: World["feed"] = (topic, event, timestampMs = T0) =>
      broker.produce(topic, {
        key: event.user,
        partition: partitionOf(event.user, partitions),
        value: Buffer.from(JSON.stringify(event)),
        timestampMs,
      });
    const entries = () =>
      broker
        .committedRecords("t.entries")
        .map(({ value }) => (JSON.parse(String(value)) as LedgerEntry).id);
    const committed: World["committed"] = (topic) =>
      broker.committed("vigie.ledger", { topic, partition: 0 }).offset;
    try {
      await work({ broker, disk, stateDir, begin, feed, entries, committed });
    } finally {
      for (const { running } of lives) await running.stop();
    }
  });
}

const deposit = (id: string, more: Partial<LedgerEvent> = {}): LedgerEvent => ({
  id,
  user: "ada",
  amount: 1,
  ...more,
});

test("a bug stops the task at its record, with all before it committed and nothing after", () =>
  inAWorld(async ({ begin, committed, entries, feed }) => {
    for (const id of ["e0", "e1"]) feed("t.deposits", deposit(id));
    feed("t.deposits", deposit("e2", { act: "throw" }));
    feed("t.deposits", deposit("e3"));
    const { running } = await begin();
    const error = (await running.failed) as Error & { code: string; details: object };
    assert.equal(error.code, "VIG_PROCESSOR_BUG");
    assert.deepEqual(error.details, {
      processor: "ledger",
      topic: "t.deposits",
      partition: 0,
      offset: 2,
      why: "planted",
    });
    assert.deepEqual(entries(), ["e0", "e1"]);
    assert.equal(committed("t.deposits"), 2);
    const again = await begin(ledgerProcessor(), { processingError: "dlq" });
    await until("the rest is processed", () => entries().includes("e3"));
    assert.deepEqual(entries(), ["e0", "e1", "e3"]);
    await again.running.stop();
  }));

test("a commit that the broker acknowledged and lost is done again, once", () =>
  inAWorld(async ({ begin, broker, entries, feed }) => {
    feed("t.deposits", deposit("e0"));
    const first = await begin();
    await until("the first is processed", () => entries().includes("e0"));
    feed("t.deposits", deposit("e1"));
    await until("the second is processed", () => entries().includes("e1"));
    await first.running.stop();
    broker.loseCommit("vigie.ledger.0");
    assert.deepEqual(entries(), ["e0"]);
    const second = await begin();
    await until("the second is processed again", () => entries().includes("e1"));
    feed("t.deposits", deposit("e2"));
    await until("what follows is processed", () => entries().includes("e2"));
    assert.deepEqual(entries(), ["e0", "e1", "e2"]);
    const sums = broker
      .committedRecords("t.entries")
      .map(({ value }) => (JSON.parse(String(value)) as LedgerEntry).sum);
    assert.deepEqual(sums, [1, 2, 3]);
    await second.running.stop();
  }));

test("a schema that is not there yet is waited for, and health says so", () =>
  inAWorld(async ({ begin, entries, feed }) => {
    const told: string[] = [];
    const observer: StreamObserver = {
      ...silentObserver,
      dependency: ({ name, up }) => void told.push(`${name} ${up ? "up" : "away"}`),
    };
    const schema = Promise.withResolvers<void>();
    let known = false;
    const decoder: Decoder<LedgerEvent> = {
      decode: (bytes) =>
        known ? jsonDecoder.decode(bytes) : { kind: "later", ready: schema.promise },
    };
    const ledger = ledgerProcessor();
    const inputs = ledger.inputs.map((input) => ({ ...input, decoder }));
    feed("t.deposits", deposit("e0"));
    feed("t.deposits", deposit("e1"));
    await begin({ ...ledger, inputs }, { observer });
    await until("health says that the registry is away", () => told.includes("registry away"));
    assert.deepEqual(entries(), []);
    known = true;
    schema.resolve();
    await until("both are processed", () => entries().length === 2);
    assert.equal(told.at(-1), "registry up");
  }));

test("an offset that the log no longer holds stops the task, and is not reset", () =>
  inAWorld(async ({ begin, broker, disk, entries, feed, stateDir }) => {
    feed("t.deposits", deposit("e0"));
    const first = await begin();
    await until("it is processed", () => entries().length === 1);
    await first.running.stop();
    feed("t.deposits", deposit("e1"));
    const world = { broker, disk, stateDir };
    broker.lowWatermarks.set("t.deposits/0", 2);
    const processor = ledgerProcessor() as AnyProcessor;
    const { running } = await beginLife(world, processor, new Fate(Number.POSITIVE_INFINITY));
    const error = (await running.failed) as Error & { code: string };
    assert.equal(error.code, "VIG_OFFSET_OUT_OF_RANGE");
    assert.deepEqual(entries(), ["e0"]);
    await running.stop();
  }));

test("offsets that the group has lost are taken from the store", () =>
  inAWorld(async ({ begin, broker, entries, feed }) => {
    feed("t.deposits", deposit("e0"));
    const first = await begin();
    await until("it is processed", () => entries().length === 1);
    await first.running.stop();
    broker.forgetGroup("vigie.ledger");
    feed("t.deposits", deposit("e1"));
    await begin();
    await until("the next one is processed", () => entries().includes("e1"));
    assert.deepEqual(entries(), ["e0", "e1"]);
  }));

test("a state that is due is not woken while a record waits that was there before", () =>
  inAWorld(async ({ begin, entries, feed }) => {
    const clock = () => T0 + 60_000 + performance.now();
    const held = Promise.withResolvers<void>();
    let free = false;
    const ledger = ledgerProcessor();
    const [first, second, ...rest] = ledger.inputs;
    assert.ok(first !== undefined && second !== undefined);
    const slow: Decoder<LedgerEvent> = {
      decode: (bytes) =>
        free ? jsonDecoder.decode(bytes) : { kind: "later", ready: held.promise },
    };
    const soonMs = clock() + 100;
    feed("t.deposits", deposit("e0", { wakeAtMs: soonMs }), T0);
    feed("t.payments", deposit("keeps it awake"), T0 + 2);
    // Users of the other partition, where nothing waits, show that the time has come and gone.
    assert.deepEqual([partitionOf("bob", 2), partitionOf("ada", 2)], [0, 1]);
    feed("t.deposits", deposit("b0", { user: "bob", wakeAtMs: soonMs }), T0);
    await begin({ ...ledger, inputs: [first, { ...second, decoder: slow }, ...rest] }, { clock });
    await until("bob is woken", () => entries().includes("woken"));
    feed("t.deposits", deposit("b1", { user: "bob", wakeAtMs: clock() + 200 }), T0 + 1);
    const woken = () => entries().filter((id) => id === "woken").length;
    await until("bob is woken again", () => woken() === 2);
    free = true;
    held.resolve();
    await until("the record is processed", () => entries().includes("keeps it awake"));
    feed("t.deposits", deposit("later"), T0 + 4);
    await until("a later one is processed", () => entries().includes("later"));
    assert.deepEqual(
      entries().filter((id) => !id.startsWith("b")),
      ["woken", "woken", "e0", "keeps it awake", "later"],
    );
  }, 2));

test("a store that cannot be opened, on a full disk or without file descriptors, is tried again", () =>
  inAWorld(async ({ begin, disk, entries, feed }) => {
    const opener = disk.opener.bind(disk);
    const refusals = ["ENOSPC", "EMFILE"];
    disk.opener = (step) => async (directory, wakes) => {
      const code = refusals.shift();
      if (code !== undefined) throw Object.assign(new Error(code), { code });
      return opener(step)(directory, wakes);
    };
    const states: string[] = [];
    const task: StreamObserver["task"] = ({ state }) => void states.push(state);
    feed("t.deposits", deposit("e0"));
    const { running } = await begin(ledgerProcessor(), { observer: { ...silentObserver, task } });
    const failed = running.failed.then(({ message }) => assert.fail(message));
    await Promise.race([failed, until("it is processed", () => entries().includes("e0"))]);
    assert.deepEqual(refusals, []);
    assert.deepEqual(states, ["restoring", "restoring", "restoring", "running"]);
  }));

test("a member that is told to end while a store is opened fences nobody", () =>
  inAWorld(async ({ begin, disk }) => {
    const opener = disk.opener.bind(disk);
    const [asked, allowed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    disk.opener = (step) => async (directory, wakes) => {
      asked.resolve();
      await allowed.promise;
      return opener(step)(directory, wakes);
    };
    const { fate, running } = await begin();
    await asked.promise;
    const stopped = running.stop();
    allowed.resolve();
    await stopped;
    assert.ok(!fate.steps.includes("init producer"), fate.steps.join());
  }));

test("health is told how many partitions a member has", () =>
  inAWorld(async ({ begin }) => {
    const told: number[] = [];
    const assigned: StreamObserver["assigned"] = ({ partitions }) => void told.push(partitions);
    await begin(ledgerProcessor(), { observer: { ...silentObserver, assigned } });
    await until("it is told", () => told.length > 0);
    assert.deepEqual(told, [2]);
  }, 2));

test("stopping commits what was processed", () =>
  inAWorld(async ({ begin, committed, entries, feed }) => {
    const { running } = await begin(ledgerProcessor(), { commitIntervalMs: 60_000 });
    feed("t.deposits", deposit("e0"));
    await until("the first is committed", () => entries().length === 1);
    for (let at = 1; at < 20; at++) feed("t.deposits", deposit(`e${at}`));
    await new Promise((resolve) => setImmediate(resolve));
    await running.stop();
    assert.equal(committed("t.deposits"), entries().length);
  }));

test("a global value that cannot be read leaves the one before in place", () =>
  inAWorld(async ({ begin, broker, entries, feed }) => {
    broker.createTopic("t.rates", 1);
    const put = (text: string) =>
      broker.produce("t.rates", { key: "all", partition: 0, value: Buffer.from(text) });
    put('{"rate":5}');
    put("{");
    const ledger = ledgerProcessor();
    await begin(ledger);
    feed("t.deposits", deposit("e0"));
    await until("it is processed", () => entries().length === 1);
    const [entry] = broker.committedRecords("t.entries");
    assert.deepEqual(JSON.parse(String(entry?.value)), { id: "e0", sum: 5, rate: 5, seq: 1 });
    put('{"rate":7}');
    feed("t.deposits", deposit("e1"));
    await until("the new rate is followed", () => entries().length === 2);
    const last = broker.committedRecords("t.entries").at(-1);
    assert.deepEqual(JSON.parse(String(last?.value)), { id: "e1", sum: 12, rate: 7, seq: 2 });
  }));

test("outcomes other than ok of an input's own judgement are told to nobody but the tally", () =>
  inAWorld(async ({ begin, committed, feed }) => {
    const tallies: object[] = [];
    const observer: StreamObserver = {
      ...silentObserver,
      committed: ({ tally }) => void tallies.push(tally),
    };
    const ledger = ledgerProcessor();
    const [first, ...rest] = ledger.inputs;
    assert.ok(first !== undefined);
    const admit = ({ value }: { value: LedgerEvent }) =>
      value.amount > 0 ? ok(value) : dlq("VIG_EVENT_AHEAD", { aheadMs: 1 });
    feed("t.deposits", deposit("e0", { amount: -1 }));
    await begin({ ...ledger, inputs: [{ ...first, admit }, ...rest] }, { observer });
    // Told a turn after the broker has it.
    await until("it is told", () => tallies.length > 0);
    assert.equal(committed("t.deposits"), 1);
    assert.deepEqual(tallies, [
      { consumed: 1, ok: 0, redirected: 0, dropped: {}, dlq: { VIG_EVENT_AHEAD: 1 } },
    ]);
  }));

test("a member that still waits for the broker to open its tasks stops at once", () =>
  inAWorld(async ({ broker, disk, stateDir }) => {
    const fate = new Fate(2);
    const processor = ledgerProcessor() as AnyProcessor;
    const { running } = await beginLife({ broker, disk, stateDir }, processor, fate);
    assert.equal(await fate.died, "init producer");
    const startedMs = performance.now();
    await running.stop();
    assert.ok(performance.now() - startedMs < 2_000);
  }));

/** What is told of a task that is ended at this step of its opening, which fails by `error` then. */
const toldOfEndedAt = (at: string, error: VigError, check: (told: readonly string[]) => void) =>
  withStateDir(async (stateDir) => {
    const broker = new MemoryBroker();
    for (const topic of TOPICS) broker.createTopic(topic, 1);
    const [opening, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const fate = new Fate(Number.POSITIVE_INFINITY);
    const cutShort = async (name: string): Promise<void> => {
      if (name !== at) return;
      opening.resolve();
      await ended.promise;
      throw error;
    };
    const told: string[] = [];
    const tell = (_fields: object, event: string) => void told.push(event);
    const log = { ...silentLogger, warn: tell, error: tell, fatal: tell };
    const { running } = await beginLife(
      { broker, disk: new MemoryDisk(), stateDir },
      ledgerProcessor() as AnyProcessor,
      Object.assign(fate, { step: cutShort }),
      { log },
    );
    await opening.promise;
    const stopped = running.stop();
    ended.resolve();
    await stopped;
    check(told);
  });

test("a task that is told to end while it is being opened ends, and nothing is told of what that cut short", () =>
  toldOfEndedAt("init producer", new VigError("VIG_BROKER_AWAY", { why: "closed" }), (told) =>
    assert.deepEqual(told, []),
  ));

test("what would have ended it anyway is told", () =>
  toldOfEndedAt("open store", new VigError("VIG_INVARIANT", { what: "a fault" }), (told) =>
    assert.deepEqual(told, ["task.failed"]),
  ));
