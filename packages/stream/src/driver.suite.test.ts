import assert from "node:assert/strict";
import { test } from "vitest";
import { createDriver, type Driver } from "./driver.ts";
import { type Fed, runtimeBehaviours, type Stage } from "./runtime.suite.ts";
import {
  type LedgerEntry,
  type LedgerEvent,
  type LedgerState,
  ledgerProcessor,
} from "./testing/ledger.ts";

const START_MS = 1_700_000_000_000;

const bytesOf = (value: Fed["value"]): Buffer | null =>
  value === null || Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));

function driverStage(processingError: "stop" | "dlq"): Stage {
  const driver: Driver<LedgerState, LedgerEvent, "entries"> = createDriver(ledgerProcessor(), {
    startMs: START_MS,
    partitions: 3,
    processingError,
  });
  const seen = new Map<string, LedgerEntry[]>();
  let nowMs = START_MS;
  const entries = () => {
    for (const { key, value } of driver.read<LedgerEntry>("entries")) {
      seen.set(key, [...(seen.get(key) ?? []), value]);
    }
    return seen;
  };
  return {
    nowMs: () => nowMs,
    feed: async (records) =>
      driver.pipeAllBytes(records.map((fed) => ({ ...fed, value: bytesOf(fed.value) }))),
    forgive: async (prefix) => driver.setGlobal("amnesties", prefix, {}),
    setRate: async (rate) => driver.setGlobal("rates", "all", { rate }),
    entries: async () => entries(),
    letters: async () => driver.deadLetters(),
    states: async () => {
      const states = new Map<string, LedgerState>();
      for (const { key, state } of driver.changelog()) {
        if (state === null) states.delete(key);
        else states.set(key, state);
      }
      for (const [key, state] of states) assert.deepEqual(driver.state(key), state);
      return states;
    },
    untilLast: async (key, id) => {
      nowMs += 300;
      driver.advanceTo(nowMs);
      assert.equal(entries().get(key)?.at(-1)?.id, id);
    },
    tally: () => driver.tally(),
    restart: async () => driver.restore(),
    close: async () => {},
  };
}

for (const [name, { lenient, run }] of Object.entries(runtimeBehaviours)) {
  test(`driver: ${name}`, () => run(driverStage(lenient ? "dlq" : "stop")));
}
