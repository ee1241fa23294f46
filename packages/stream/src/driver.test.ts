import assert from "node:assert/strict";
import { test } from "vitest";
import { createDriver } from "./driver.ts";
import { type LedgerEntry, type LedgerEvent, ledgerProcessor } from "./testing/ledger.ts";

const T0 = 1_700_000_000_000;
const event = (id: string, user: string, amount: number, more: Partial<LedgerEvent> = {}) => ({
  id,
  user,
  amount,
  ...more,
});
const open = (options = {}) => createDriver(ledgerProcessor(), { startMs: T0, ...options });

test("a piped record reaches state, output, changelog and tally", () => {
  const driver = open();
  driver.pipe("t.deposits", "ada", event("e1", "ada", 5));
  driver.pipe("t.payments", "ada", event("e2", "ada", -2));
  assert.deepEqual(driver.state("ada"), { sum: 3, count: 2, wakeAtMs: null, ids: ["e1", "e2"] });
  assert.deepEqual(
    driver.read<LedgerEntry>("entries").map(({ value }) => value.sum),
    [5, 3],
  );
  assert.deepEqual(driver.read("entries"), []);
  assert.deepEqual(
    driver.changelog().map(({ key, state }) => [key, state?.sum]),
    [
      ["ada", 5],
      ["ada", 3],
    ],
  );
  const { consumed, ok } = driver.tally();
  assert.deepEqual({ consumed, ok }, { consumed: 2, ok: 2 });
});

test("records piped together are taken by time, and change the log once a commit", () => {
  const driver = open();
  driver.pipeAll([
    { topic: "t.deposits", key: "ada", value: event("d30", "ada", 1), timestampMs: T0 + 30 },
    { topic: "t.payments", key: "ada", value: event("p10", "ada", 1), timestampMs: T0 + 10 },
    { topic: "t.payments", key: "ada", value: event("p20", "ada", 1), timestampMs: T0 + 20 },
    { topic: "t.orders", key: "ada", value: event("o99", "ada", 1), timestampMs: T0 + 99 },
  ]);
  assert.deepEqual(driver.state("ada")?.ids, ["o99", "p10", "p20", "d30"]);
  assert.equal(driver.changelog().length, 1);
});

test("a misplaced record is sent on once, and a second time dropped", () => {
  const driver = open({ partitions: 6 });
  driver.pipe("t.deposits", "ada", event("e1", "ada", 5), { partition: 0 });
  driver.pipe("t.deposits", "bob", event("e2", "bob", 5), { partition: 1 });
  assert.equal(driver.state("ada")?.sum, 5);
  assert.equal(driver.state("bob")?.sum, 5);
  const headers = { "vigie.redirected": "1" };
  driver.pipe("t.deposits", "eve", event("e3", "eve", 5), { partition: 0, headers });
  driver.pipe("t.payments", "dan", event("e4", "dan", 5), { partition: 1 });
  assert.equal(driver.state("eve"), null);
  const { consumed, redirected, dropped } = driver.tally();
  assert.deepEqual(
    { consumed, redirected, dropped },
    { consumed: 6, redirected: 2, dropped: { misrouted_twice: 1, misrouted: 1 } },
  );
});

test("what cannot be used goes to the dead letters with its bytes", () => {
  const driver = open();
  const long = Buffer.alloc(65_537, 1);
  driver.pipeBytes("t.deposits", "ada", Buffer.from("{"), { headers: { trace: "x" } });
  driver.pipeBytes("t.deposits", "ada", null);
  driver.pipeBytes("t.deposits", "ada", long);
  driver.pipeBytes("t.deposits", Buffer.from([0xff, 0xfe]), Buffer.from("{}"));
  driver.pipe("t.deposits", "eve", event("e1", "ada", 5));
  driver.pipe("t.deposits", "ada", event("e2", "ada", 5, { act: "refuse" }));
  const letters = driver.deadLetters();
  assert.deepEqual(
    letters.map(({ code }) => code),
    [
      "VIG_RECORD_NOT_AVRO",
      "VIG_RECORD_NULL",
      "VIG_RECORD_TOO_LARGE",
      "VIG_RECORD_KEY_MISMATCH",
      "VIG_RECORD_KEY_MISMATCH",
      "VIG_EVENT_FIELD_INVALID",
    ],
  );
  assert.equal(letters[0]?.topic, "t.deposits.dlq");
  assert.equal(letters[0]?.headers.trace, "x");
  assert.equal(letters[0]?.headers["vigie.error.offset"], "0");
  assert.equal(letters[2]?.value, long);
  assert.deepEqual(letters[3]?.key, Buffer.from([0xff, 0xfe]));
  assert.equal(driver.state("ada"), null);
});

test("a state is woken at its time, and only then", () => {
  const driver = open();
  driver.pipe("t.deposits", "ada", event("e1", "ada", 5, { wakeAtMs: T0 + 1_000 }));
  driver.advanceTo(T0 + 999);
  assert.equal(driver.state("ada")?.sum, 5);
  driver.advanceTo(T0 + 1_000);
  assert.equal(driver.state("ada")?.sum, 0);
  driver.pipe("t.deposits", "ada", event("e2", "ada", 5, { wakeAtMs: T0 + 3_000 }));
  driver.pipe("t.deposits", "ada", event("e3", "ada", 5, { wakeAtMs: T0 + 9_000 }));
  driver.advanceTo(T0 + 4_000);
  assert.equal(driver.state("ada")?.sum, 10);
});

test("an error of ours stops the task with the position, or goes to the dead letters", () => {
  const bad = event("e2", "ada", 1, { act: "throw" });
  const strict = open();
  strict.pipe("t.deposits", "ada", event("e1", "ada", 1));
  assert.throws(() => strict.pipe("t.deposits", "ada", bad), {
    code: "VIG_PROCESSOR_BUG",
    details: {
      processor: "ledger",
      topic: "t.deposits",
      partition: 0,
      offset: 1,
      why: "planted",
    },
  });
  const lenient = open({ processingError: "dlq" });
  lenient.pipe("t.deposits", "ada", bad);
  lenient.pipe("t.deposits", "ada", event("e3", "ada", 1));
  assert.equal(lenient.deadLetters()[0]?.code, "VIG_PROCESSOR_BUG");
  assert.equal(lenient.state("ada")?.sum, 1);
});

test("a global table is looked up; a forgotten key has no state; the changelog rebuilds the store", () => {
  const driver = open();
  driver.setGlobal("rates", "all", { rate: 3 });
  driver.pipe("t.deposits", "ada", event("e1", "ada", 2));
  driver.pipe("t.deposits", "bob", event("e2", "bob", 2));
  driver.pipe("t.deposits", "bob", event("e3", "bob", 2, { act: "forget" }));
  assert.equal(driver.state("ada")?.sum, 6);
  assert.equal(driver.state("bob"), null);
  assert.deepEqual(driver.changelog().at(-1), { key: "bob", state: null });
  driver.restore();
  assert.equal(driver.state("ada")?.sum, 6);
  assert.equal(driver.state("bob"), null);
});

test("a processor can ask whether a global table has any entry of a mark", () => {
  const answers: boolean[] = [];
  const ledger = ledgerProcessor();
  const { rates } = ledger.globals;
  assert(rates !== undefined);
  const driver = createDriver(
    {
      ...ledger,
      globals: { rates: { ...rates, mark: (value) => (value as { rate: number }).rate % 10 } },
      process(record, state, context) {
        answers.push(context.hasMark("rates", 3));
        return ledger.process(record, state, context);
      },
    },
    { startMs: T0 },
  );
  const ask = (id: string) => driver.pipe("t.deposits", "ada", event(id, "ada", 1));
  ask("e1");
  driver.setGlobal("rates", "all", { rate: 3 });
  ask("e2");
  driver.setGlobal("rates", "some", { rate: 13 });
  driver.setGlobal("rates", "all", { rate: 4 });
  ask("e3");
  driver.setGlobal("rates", "some", null);
  ask("e4");
  assert.deepEqual(answers, [false, true, true, false]);
});
