import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { partitionOf } from "@vigie/core/keys";
import { test } from "vitest";
import type { StreamObserver } from "../observer.ts";
import type { AnyProcessor } from "../processor.ts";
import { openState } from "../state/envelope.ts";
import { isReservedKey } from "../state/store.ts";
import { type LedgerEvent, ledgerCodec, ledgerProcessor } from "../testing/ledger.ts";
import {
  beginLife,
  Fate,
  lmdbDisk,
  MemoryDisk,
  segmentsDisk,
  silentObserver,
  withStateDir,
} from "../testing/lives.ts";
import { MemoryBroker } from "../testing/memory-broker.ts";
import { until } from "../testing/until.ts";

const T0 = 1_700_000_000_000;
const PARTITIONS = 2;
const USERS = ["ada", "bob", "eve", "dan", "kim"];
const INPUTS = ["t.deposits", "t.payments"];
const CHANGELOG = "vigie.ledger.changelog";

/** Events of five users over two inputs; every fourth asks to be woken; some are refused or dropped. */
function newWorld(stateDir: string) {
  const broker = new MemoryBroker();
  for (const topic of [...INPUTS, "t.orders", "t.entries"]) broker.createTopic(topic, PARTITIONS);
  for (let at = 0; at < 60; at++) {
    const user = USERS[(at * 7) % USERS.length] as string;
    const act = at % 13 === 5 ? "refuse" : at % 17 === 3 ? "drop" : undefined;
    const event: LedgerEvent = {
      id: `e${at}`,
      user,
      amount: at + 1,
      ...(act === undefined ? {} : { act }),
      ...(at % 4 === 0 ? { wakeAtMs: T0 + 500 } : {}),
    };
    broker.produce(INPUTS[at % 3 === 0 ? 0 : 1] as string, {
      key: user,
      partition: partitionOf(user, PARTITIONS),
      value: Buffer.from(JSON.stringify(event)),
      timestampMs: T0 + at,
    });
  }
  return { broker, disk: new MemoryDisk(), stateDir };
}

type World = ReturnType<typeof newWorld>;

/** All that can be seen from outside: outputs and dead letters in their order, and the state that a restore finds. */
function visible({ broker }: Pick<World, "broker">) {
  const outputs = broker
    .committedRecords("t.entries")
    .map(({ key, value }) => `${key} ${value?.toString()}`);
  const letters = INPUTS.flatMap((topic) => broker.committedRecords(`${topic}.dlq`)).map(
    ({ value }) => value?.toString(),
  );
  return { outputs, letters, states: Object.fromEntries(restored(broker)) };
}

function restored(broker: MemoryBroker): Map<string, unknown> {
  const states = new Map<string, unknown>();
  for (const { key, partition, value } of broker.committedRecords(CHANGELOG)) {
    const name = nameOf(String(key), partition);
    if (value === null) states.delete(name);
    else states.set(name, decode(value));
  }
  return new Map([...states].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const decode = (sealed: Uint8Array): { wakeAtMs: number | null } => openState(ledgerCodec, sealed);

/** Every partition has an aggregate of the same key. */
const nameOf = (key: string, partition: number): string =>
  isReservedKey(key) ? `${key} of ${partition}` : key;

function storesHold(world: World): Map<string, unknown> {
  const states = [...world.disk.stores].flatMap(([directory, { store }]) =>
    [...store.entries()].map(
      ([key, sealed]) => [nameOf(key, Number(basename(directory))), decode(sealed)] as const,
    ),
  );
  return new Map(states.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isDone(world: World): boolean {
  const states = restored(world.broker) as ReadonlyMap<string, { wakeAtMs?: number | null }>;
  return isTaken(world) && [...states.values()].every(({ wakeAtMs = null }) => wakeAtMs === null);
}

/** Whether every record is processed, and lies in the stores. */
function isTaken(world: World): boolean {
  const { broker } = world;
  for (const topic of INPUTS) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const at = { topic, partition };
      if ((broker.committed("vigie.ledger", at).offset ?? 0) < broker.end(at)) return false;
    }
  }
  const states = restored(broker);
  return states.size > 0 && isDeepStrictEqual(states, storesHold(world));
}

/** Past every wake time, and on the move: waits are reckoned by it. */
const clock = () => T0 + 1_000 + performance.now();
const processor = ledgerProcessor() as AnyProcessor;
const NEVER = Number.POSITIVE_INFINITY;
const begin = (world: World, fate: Fate, torn = false) =>
  beginLife(world, processor, fate, { clock, commitRecordsMax: 9, torn });

/** One life that ends at `deathAt`, then one that does not. Returns what is visible, and the first life's steps. */
async function liveTwice(deathAt: number, ending: "dies" | "stalls", torn = false) {
  return withStateDir(async (stateDir) => {
    const world = newWorld(stateDir);
    const fate = new Fate(deathAt);
    const first = await begin(world, fate, torn);
    await Promise.race([fate.died, until("the first life is done", () => isDone(world))]);
    await first.cut();
    const second = await begin(world, new Fate(NEVER));
    await until(`done after a death before step ${deathAt}: ${fate.steps[deathAt - 1]}`, () =>
      isDone(world),
    );
    if (ending === "stalls") {
      fate.revive();
      // The one that was thought dead ends what it had begun, as far as it is let.
      await first.running.stop();
    }
    await second.running.stop();
    return { steps: fate.steps, seen: visible(world), stores: storesHold(world), world };
  });
}

const undisturbed = liveTwice(NEVER, "dies");

test("an undisturbed run processes every record once and wakes who asked for it", async () => {
  const { seen, steps } = await undisturbed;
  assert.ok(steps.length > 60, `the sweep has ${steps.length} places to die`);
  assert.equal(seen.letters.length, 5);
  assert.ok(seen.outputs.some((text) => text.includes("woken")));
});

for (const ending of ["dies", "stalls"] as const) {
  test(`whatever the step before which a member ${ending}, the outcome is that of an undisturbed run`, async () => {
    const { seen, steps } = await undisturbed;
    for (let deathAt = 1; deathAt <= steps.length + 2; deathAt++) {
      const after = await liveTwice(deathAt, ending);
      const where = `${ending} before step ${deathAt}, ${after.steps[deathAt - 1]}`;
      assert.deepEqual(after.seen, seen, where);
      assert.deepEqual(Object.fromEntries(after.stores), seen.states, where);
    }
  }, 120_000);
}

/** Every so manyth step: the whole sweep takes a minute on files. */
const SAMPLE = process.env.VIGIE_TEST_FULL === "1" ? 1 : 9;

/** Nobody is woken: its stores keep no times. */
const { wake: _wake, wakeAtMs: _wakeAtMs, ...unwoken } = ledgerProcessor();

/** One life of those who are not woken, without a death. */
async function undisturbedUnwoken() {
  return withStateDir(async (stateDir) => {
    const world = newWorld(stateDir);
    const fate = new Fate(NEVER);
    const life = await beginLife(world, unwoken as AnyProcessor, fate, {
      clock,
      commitRecordsMax: 9,
    });
    await until("all is taken", () => isTaken(world));
    await life.running.stop();
    return { steps: fate.steps, seen: visible(world) };
  });
}

for (const { name, disk, owner, alone } of [
  { name: "LMDB's files", disk: lmdbDisk, owner: processor, alone: () => undisturbed },
  {
    name: "segments",
    disk: segmentsDisk,
    owner: unwoken as AnyProcessor,
    alone: undisturbedUnwoken,
  },
]) {
  const options = { clock, commitRecordsMax: 9 };

  test(`the same on ${name}: dead or stalled, the next life finds a whole store`, async () => {
    const { seen, steps } = await alone();
    for (let deathAt = 5; deathAt <= steps.length; deathAt += SAMPLE) {
      await withStateDir(async (stateDir) => {
        const world = { ...newWorld(stateDir), disk };
        const fate = new Fate(deathAt);
        const isSeen = () => isDeepStrictEqual(visible(world), seen);
        const first = await beginLife(world, owner, fate, options);
        // On files lives differ by some steps: one may be through before it comes to that one.
        await Promise.race([fate.died, until("the first life is done", isSeen)]);
        await first.cut();
        const running = new Set<number>();
        const observer = { ...silentObserver, task: noteRunning(running) };
        const fresh = new Fate(NEVER);
        const second = await beginLife(world, owner, fresh, { ...options, observer });
        const where = `after a death before step ${deathAt}, ${fate.steps[deathAt - 1]}`;
        // A death late in the first life leaves nothing to do but the restore.
        const isBack = () => running.size === PARTITIONS && isSeen();
        await until(`done ${where}`, isBack);
        await second.running.stop();
        fate.revive();
        await first.running.stop();
        assert.deepEqual(visible(world), seen, where);
        assert.deepEqual(await statesOn(disk, stateDir), seen.states, where);
      });
    }
  }, 120_000);
}

const noteRunning =
  (running: Set<number>): StreamObserver["task"] =>
  ({ partition, state }) => {
    if (state === "running") running.add(partition);
  };

/** What lies in the stores of all partitions. */
async function statesOn(disk: typeof lmdbDisk, stateDir: string): Promise<object> {
  const open = disk.opener(async () => {});
  const states: [string, unknown][] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const store = await open(join(stateDir, "ledger", String(partition)), true);
    for (const [key, sealed] of store.entries()) {
      states.push([nameOf(key, partition), decode(sealed)]);
    }
    await store.close();
  }
  return Object.fromEntries(states.sort(([a], [b]) => (a < b ? -1 : 1)));
}

test("whatever the step that fails once, the outcome is that of an undisturbed run", async () => {
  const { seen, steps } = await undisturbed;
  // Side by side: each waits before it tries again.
  await Promise.all(
    steps.map((step, at) =>
      withStateDir(async (stateDir) => {
        const world = newWorld(stateDir);
        const life = await begin(world, new Fate(at + 1, "fail"));
        const where = `though step ${at + 1} failed, ${step}`;
        await until(`done ${where}`, () => isDone(world), 60_000);
        await life.running.stop();
        assert.deepEqual(visible(world), seen, where);
      }),
    ),
  );
}, 120_000);

test("the sweep refuses a producer that writes outside of the transaction", async () => {
  const { seen, steps } = await undisturbed;
  const writes = steps.flatMap((step, at) => (step === "add offsets" ? [at + 1] : []));
  let differs = false;
  for (const deathAt of writes.slice(0, 6)) {
    const after = await liveTwice(deathAt, "dies", true);
    differs ||= JSON.stringify(after.seen) !== JSON.stringify(seen);
  }
  assert.ok(differs);
});
