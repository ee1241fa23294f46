import assert from "node:assert/strict";
import { partitionOf } from "@vigie/core/keys";
import { aggregateKey } from "./state/store.ts";
import { REDIRECTED_HEADER } from "./task/record.ts";
import type { LedgerEntry, LedgerEvent, LedgerState } from "./testing/ledger.ts";

/** A record as a producer writes it; `partition` only to misplace it. */
export interface Fed {
  readonly topic: string;
  readonly key: string | Buffer | null;
  readonly value: LedgerEvent | Buffer | null;
  readonly timestampMs?: number;
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Letter {
  readonly topic: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** The ledger processor on a stage: in memory, or on a real broker. Topics have 3 partitions. */
export interface Stage {
  readonly nowMs: () => number;
  /** Feeds all of them before the first is processed; resolves when what they bring about is committed. */
  feed(records: readonly Fed[]): Promise<void>;
  setRate(rate: number): Promise<void>;
  /** Changes a global that wakes the states of all users whose names begin so. */
  forgive(prefix: string): Promise<void>;
  /** What was written so far, by key in its order. */
  entries(): Promise<ReadonlyMap<string, readonly LedgerEntry[]>>;
  letters(): Promise<readonly Letter[]>;
  /** As the changelog has them. */
  states(): Promise<ReadonlyMap<string, LedgerState>>;
  /** Resolves when a key's last entry has this id; moves the clock if it can be moved. */
  untilLast(key: string, id: string): Promise<void>;
  tally(): { consumed: number; ok: number; dropped: object; dlq: object; redirected: number };
  /** Stops in order and starts again; `wiped` without local state. */
  restart(wiped: boolean): Promise<void>;
  close(): Promise<void>;
}

export type OpenStage = (options: { processingError?: "stop" | "dlq" }) => Promise<Stage>;

const T0 = 1_700_000_000_000;
/** As every stage's topics have. */
const PARTITIONS = 3;
const event = (
  id: string,
  user: string,
  amount: number,
  more: Partial<LedgerEvent> = {},
): LedgerEvent => ({ id, user, amount, ...more });
const deposit = (value: LedgerEvent, more: Partial<Fed> = {}): Fed => ({
  topic: "t.deposits",
  key: value.user,
  value,
  ...more,
});
const payment = (value: LedgerEvent, more: Partial<Fed> = {}): Fed => ({
  ...deposit(value, more),
  topic: "t.payments",
});
const idsOf = async (stage: Stage, key: string): Promise<string[]> =>
  ((await stage.entries()).get(key) ?? []).map(({ id }) => id);

async function takesInOrderOfTime(stage: Stage): Promise<void> {
  const at = (ms: number) => ({ timestampMs: T0 + ms });
  await stage.feed([
    deposit(event("d30", "ada", 1), at(30)),
    deposit(event("d40", "ada", 1), at(40)),
    deposit(event("d70", "ada", 1), at(70)),
    payment(event("p10", "ada", 1), at(10)),
    payment(event("p40", "ada", 1), at(40)),
    payment(event("p50", "ada", 1), at(50)),
  ]);
  const ids = ["p10", "d30", "d40", "p40", "p50", "d70"];
  assert.deepEqual(await idsOf(stage, "ada"), ids);
  assert.deepEqual((await stage.states()).get("ada"), { sum: 6, count: 6, wakeAtMs: null, ids });
}

async function writesBadRecordsAway(stage: Stage): Promise<void> {
  const noKey = { topic: "t.deposits", key: null, value: event("e0", "ada", 1), partition: 0 };
  const badKey = Buffer.from([0xff, 0xfe, 0x00]);
  const long = Buffer.alloc(70_000, "x");
  await stage.feed([
    deposit(event("e1", "ada", 1)),
    { topic: "t.deposits", key: "ada", value: Buffer.from([0, 1, 2, 0xff]), headers: { t: "x" } },
    { topic: "t.deposits", key: "ada", value: null },
    { topic: "t.payments", key: "ada", value: long },
    { topic: "t.deposits", key: badKey, value: Buffer.from("{}"), partition: 1 },
    noKey,
    deposit(event("e2", "ada", 1), { key: "eve" }),
    // A key that would be an aggregate's, of a user who is called so.
    deposit(event("e5", aggregateKey("entries"), 1)),
    deposit(event("e3", "ada", 1, { act: "refuse" })),
    deposit(event("e4", "ada", 1)),
  ]);
  const letters = await stage.letters();
  const byCode = letters.map(({ headers }) => headers["vigie.error.code"]).sort();
  assert.deepEqual(byCode, [
    "VIG_EVENT_FIELD_INVALID",
    "VIG_RECORD_KEY_MISMATCH",
    "VIG_RECORD_KEY_MISMATCH",
    "VIG_RECORD_KEY_MISMATCH",
    "VIG_RECORD_KEY_MISMATCH",
    "VIG_RECORD_NOT_AVRO",
    "VIG_RECORD_NULL",
    "VIG_RECORD_TOO_LARGE",
  ]);
  const of = (code: string) =>
    letters.find(({ headers }) => headers["vigie.error.code"] === code) as Letter;
  const garbage = of("VIG_RECORD_NOT_AVRO");
  assert.deepEqual(garbage.value, Buffer.from([0, 1, 2, 0xff]));
  assert.deepEqual(garbage.key, Buffer.from("ada"));
  assert.equal(garbage.headers.t, "x");
  assert.equal(garbage.headers["vigie.error.service"], "ledger");
  assert.equal(garbage.headers["vigie.error.topic"], "t.deposits");
  assert.equal(garbage.headers["vigie.error.offset"], "1");
  assert.match(garbage.headers["vigie.error.message"] ?? "", /not Confluent Avro/);
  assert.deepEqual(of("VIG_RECORD_TOO_LARGE").value, long);
  assert.equal(of("VIG_RECORD_NULL").value, null);
  assert.ok(letters.some(({ key }) => key?.equals(badKey)));
  assert.deepEqual(await idsOf(stage, "ada"), ["e1", "e4"]);
  assert.equal((await stage.states()).get("eve"), undefined);
}

async function takesNullsForWhatTheyStandFor(stage: Stage): Promise<void> {
  await stage.feed([deposit(event("e1", "ada", 5)), deposit(event("e2", "bob", 5))]);
  await stage.feed([{ topic: "t.orders", key: "ada", value: null }]);
  await stage.restart(true);
  await stage.feed([deposit(event("e3", "ada", 1)), deposit(event("e4", "bob", 1))]);
  assert.deepEqual(await idsOf(stage, "ada"), ["e1", "closing", "e3"]);
  const sums = [...(await stage.states())].map(([key, { sum }]) => [key, sum]);
  assert.deepEqual(sums.sort(), [
    ["ada", 1],
    ["bob", 6],
  ]);
  assert.deepEqual(await stage.letters(), []);
}

async function sendsMisplacedOnesOn(stage: Stage): Promise<void> {
  const everywhere = [0, 1, 2].map((partition) =>
    deposit(event(`e${partition}`, "ada", 1), { partition }),
  );
  await stage.feed(everywhere);
  assert.deepEqual((await idsOf(stage, "ada")).sort(), ["e0", "e1", "e2"]);
  assert.equal(stage.tally().redirected, 2);
  const marked = { headers: { [REDIRECTED_HEADER]: "1" } };
  const again = [0, 1, 2].map((partition) =>
    deposit(event(`r${partition}`, "ada", 1), { partition, ...marked }),
  );
  const dropped = [0, 1, 2].map((partition) =>
    payment(event(`p${partition}`, "ada", 1), { partition }),
  );
  await stage.feed([...again, ...dropped]);
  assert.equal((await idsOf(stage, "ada")).length, 5);
  assert.deepEqual(stage.tally().dropped, { misrouted_twice: 2, misrouted: 2 });
}

async function keepsStateOverRestarts(stage: Stage): Promise<void> {
  await stage.feed([
    deposit(event("e1", "ada", 5)),
    deposit(event("e2", "bob", 7)),
    deposit(event("e3", "eve", 9)),
  ]);
  await stage.feed([deposit(event("e4", "bob", 1, { act: "forget" }))]);
  await stage.restart(false);
  await stage.feed([deposit(event("e5", "ada", 1)), deposit(event("e6", "bob", 1))]);
  await stage.restart(true);
  await stage.feed([deposit(event("e7", "ada", 1)), deposit(event("e8", "eve", 1))]);
  const sums = new Map([...(await stage.states())].map(([key, { sum }]) => [key, sum]));
  assert.deepEqual([...sums].sort(), [
    ["ada", 7],
    ["bob", 1],
    ["eve", 10],
  ]);
  assert.deepEqual(await idsOf(stage, "ada"), ["e1", "e5", "e7"]);
}

async function wakesInTime(stage: Stage): Promise<void> {
  const soon = stage.nowMs() + 300;
  await stage.feed([
    deposit(event("e1", "ada", 5, { wakeAtMs: soon })),
    deposit(event("e2", "bob", 5, { wakeAtMs: soon })),
    deposit(event("e3", "bob", 5)),
  ]);
  await stage.untilLast("ada", "woken");
  assert.ok(stage.nowMs() >= soon);
  assert.deepEqual(await idsOf(stage, "ada"), ["e1", "woken"]);
  assert.deepEqual(await idsOf(stage, "bob"), ["e2", "e3"]);
  assert.equal((await stage.states()).get("ada")?.sum, 0);
  await stage.restart(true);
  const later = stage.nowMs() + 300;
  await stage.feed([deposit(event("e4", "ada", 5, { wakeAtMs: later }))]);
  await stage.restart(true);
  await stage.untilLast("ada", "woken");
  assert.deepEqual(await idsOf(stage, "ada"), ["e1", "woken", "e4", "woken"]);
}

/** Every entry of a partition has the number after the one before it, whatever came between. */
async function countsInAggregates(stage: Stage): Promise<void> {
  const users = ["ada", "bob", "eve", "dan", "kim"];
  const round = (name: string) => users.map((user) => deposit(event(`${name}-${user}`, user, 1)));
  await stage.feed(round("r1"));
  await stage.restart(false);
  await stage.feed([...round("r2"), deposit(event("dropped", "ada", 1, { act: "drop" }))]);
  await stage.restart(true);
  const soon = stage.nowMs() + 300;
  await stage.feed([...round("r3"), deposit(event("last", "ada", 1, { wakeAtMs: soon }))]);
  await stage.untilLast("ada", "woken");
  const seqs = new Map<number, number[]>();
  for (const [user, entries] of await stage.entries()) {
    const partition = partitionOf(user, PARTITIONS);
    seqs.set(partition, [...(seqs.get(partition) ?? []), ...entries.map(({ seq }) => seq)]);
  }
  assert.ok(seqs.size > 1, "the users lie in several partitions");
  for (const found of seqs.values()) {
    const sorted = found.sort((a, b) => a - b);
    assert.deepEqual(
      sorted,
      sorted.map((_, at) => at + 1),
    );
  }
}

async function looksGlobalsUp(stage: Stage): Promise<void> {
  await stage.feed([deposit(event("e1", "ada", 5))]);
  await stage.setRate(3);
  await stage.feed([deposit(event("e2", "ada", 5))]);
  assert.equal((await stage.states()).get("ada")?.sum, 20);
  await stage.restart(false);
  await stage.feed([deposit(event("e3", "ada", 1))]);
  assert.equal((await stage.states()).get("ada")?.sum, 23);
}

async function wakesByAGlobal(stage: Stage): Promise<void> {
  const users = ["ada", "adam", "bob", "дан"];
  await stage.feed(users.map((user) => deposit(event(`e-${user}`, user, 5))));
  await stage.forgive("ad");
  for (const user of ["ada", "adam"]) await stage.untilLast(user, "woken");
  await stage.restart(true);
  await stage.feed([deposit(event("later", "ada", 5)), deposit(event("later", "bob", 5))]);
  await stage.forgive("bob");
  await stage.untilLast("bob", "woken");
  assert.deepEqual(await idsOf(stage, "ada"), ["e-ada", "woken", "later"]);
  assert.deepEqual(await idsOf(stage, "bob"), ["e-bob", "later", "woken"]);
  await stage.forgive("");
  for (const user of users) await stage.untilLast(user, "woken");
  assert.deepEqual(await idsOf(stage, "дан"), ["e-дан", "woken"]);
}

async function movesOnPastABug(stage: Stage): Promise<void> {
  await stage.feed([
    deposit(event("e1", "ada", 1)),
    deposit(event("e2", "ada", 1, { act: "throw" })),
    deposit(event("e3", "ada", 1, { act: "drop" })),
    deposit(event("e4", "ada", 1, { act: "quiet" })),
    deposit(event("e5", "ada", 1)),
  ]);
  assert.deepEqual(await idsOf(stage, "ada"), ["e1", "e5"]);
  const [letter] = await stage.letters();
  assert.equal(letter?.headers["vigie.error.code"], "VIG_PROCESSOR_BUG");
  assert.match(letter?.headers["vigie.error.message"] ?? "", /t\.deposits\[\d\]@1: planted/);
  const { consumed, dlq, dropped, ok } = stage.tally();
  assert.deepEqual(
    { consumed, ok, dropped, dlq },
    { consumed: 5, ok: 3, dropped: { no_effect: 1 }, dlq: { VIG_PROCESSOR_BUG: 1 } },
  );
}

/** What the runtime promises; each case gets a fresh stage. */
export const runtimeBehaviours: Readonly<
  Record<string, { readonly run: (stage: Stage) => Promise<void>; readonly lenient?: true }>
> = {
  "merged inputs are taken in the order of record time": { run: takesInOrderOfTime },
  "records that cannot be used are dead letters byte for byte, and the rest goes on": {
    run: writesBadRecordsAway,
  },
  "a null value is taken as what its input says it stands for": {
    run: takesNullsForWhatTheyStandFor,
  },
  "a record in the wrong partition is sent on once, or dropped": { run: sendsMisplacedOnesOn },
  "state outlives a restart, with its store or from the changelog alone": {
    run: keepsStateOverRestarts,
  },
  "a state is woken at its time, also after a restore": { run: wakesInTime },
  "an aggregate counts a partition's entries without a gap, over restarts and restores": {
    run: countsInAggregates,
  },
  "a global table is looked up as it stands": { run: looksGlobalsUp },
  "a change of a global wakes the states that it concerns, once, and no others": {
    run: wakesByAGlobal,
  },
  "a bug ends only its record when the operator says so": { run: movesOnPastABug, lenient: true },
};
