import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { afterAll, beforeAll, test } from "vitest";
import type { StreamObserver } from "../observer.ts";
import { until } from "../testing/until.ts";
import { openBatchingProducer } from "./producer.ts";
import { type RunningSink, type SinkOptions, type SinkRecord, startSink } from "./sink.ts";
import { type RealKafka, realKafka } from "./testing/real-kafka.ts";
import { headerText } from "./types.ts";

let kafka: RealKafka;
beforeAll(async () => {
  kafka = await realKafka();
});
afterAll(() => kafka.close());

/** A store as a sink has it: effects and offsets change together, or not at all. */
class Store {
  readonly effects: string[] = [];
  readonly offsets = new Map<string, number>();
  /** Calls of `write` that fail before the store changes. */
  failures = 0;
  writes = 0;

  get sink() {
    return {
      assigned: async (inputs: readonly { topic: string; partition: number }[]) =>
        inputs.map((input) => ({ ...input, offset: this.offsets.get(keyOf(input)) ?? null })),
      write: async (
        batch: readonly SinkRecord[],
        next: readonly { topic: string; partition: number; offset: number; from: number }[],
      ) => {
        this.writes += 1;
        if (this.failures > 0) {
          this.failures -= 1;
          throw new Error("the store is away");
        }
        for (const input of next) assert.equal(input.from, this.offsets.get(keyOf(input)) ?? 0);
        for (const { value } of batch) this.effects.push(String(value));
        for (const input of next) this.offsets.set(keyOf(input), input.offset);
      },
    };
  }
}

const keyOf = ({ topic, partition }: { topic: string; partition: number }): string =>
  `${topic}/${partition}`;

interface Told {
  readonly observer: StreamObserver;
  readonly lag: Map<string, number>;
  dead: number;
}

function told(): Told {
  const lag = new Map<string, number>();
  const heard: Told = {
    lag,
    dead: 0,
    observer: {
      committed: ({ tally }) => {
        heard.dead += Object.values(tally.dlq).reduce((sum, count) => sum + count, 0);
      },
      lag: ({ topic, partition, records }) => lag.set(keyOf({ topic, partition }), records),
      restoring() {},
      dependency() {},
      task() {},
    },
  };
  return heard;
}

/** Topics named by prefix and catalogue name, as installations have them. */
async function installation() {
  const prefix = `${kafka.name()}.`;
  await kafka.admin.createTopics(
    ["events", "events.dlq"].map((name) => ({ topic: prefix + name, partitions: 2 })),
  );
  const producer = await openBatchingProducer(kafka.client);
  return {
    prefix,
    publish: (from: number, to: number) =>
      Promise.all(
        Array.from({ length: to - from }, (_, i) =>
          producer.publish({
            topic: `${prefix}events`,
            partition: (from + i) % 2,
            key: "acme|u",
            value: Buffer.from(`${from + i}`),
          }),
        ),
      ),
    start: (sink: SinkOptions["sink"], more: Partial<SinkOptions> = {}): Promise<RunningSink> =>
      startSink({
        client: kafka.client,
        groupId: `${prefix}vigie.sink`,
        topics: ["events"],
        prefix,
        service: "test-sink",
        log: silentLogger,
        observer: told().observer,
        sink,
        ...more,
      }),
    close: async () => {
      await producer.close();
      await kafka.admin.deleteTopics([`${prefix}events`, `${prefix}events.dlq`]);
    },
  };
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);
const sorted = (items: readonly string[]): string[] =>
  [...items].sort((a, b) => Number(a) - Number(b));

test("every record takes effect once, over a store that is away and a restart", async () => {
  const place = await installation();
  const store = new Store();
  store.failures = 3;
  const states: boolean[] = [];
  await place.publish(0, 500);
  const first = await place.start(store.sink, { onWriting: (up) => states.push(up) });
  await until("the first half", () => store.effects.length === 500);
  await first.stop();
  assert.deepEqual(states, [false, true]);
  await place.publish(500, 1_000);
  const second = await place.start(store.sink);
  await until("the rest", () => store.effects.length >= 1_000);
  await second.stop();
  assert.deepEqual(sorted(store.effects), numbers(1_000));
  await place.close();
});

test("a crash between effect and the next batch repeats nothing: offsets are the store's own", async () => {
  const place = await installation();
  const store = new Store();
  await place.publish(0, 300);
  let killed = false;
  const { sink } = store;
  const crashing = {
    ...sink,
    write: async (...batch: Parameters<typeof sink.write>) => {
      if (killed) throw new Error("dead");
      await sink.write(...batch);
      if (store.effects.length >= 100) {
        killed = true;
        // The effect is stored; whoever asked never learns of it.
        throw new Error("dead");
      }
    },
  };
  const first = await place.start(crashing, { batchRecordsMax: 20, drainTimeoutMs: 100 });
  await until("it has died", () => killed);
  await first.stop();
  const second = await place.start(sink);
  await until("the rest", () => store.effects.length >= 300);
  await second.stop();
  assert.deepEqual(sorted(store.effects), numbers(300));
  await place.close();
});

test("a sink without stored offsets goes on where its group stood", async () => {
  const place = await installation();
  const store = new Store();
  await place.publish(0, 10);
  const topic = `${place.prefix}events`;
  await kafka.admin.setCommitted(`${place.prefix}vigie.sink`, [{ topic, partition: 0, offset: 3 }]);
  const seen: string[] = [];
  const running = await place.start({
    assigned: store.sink.assigned,
    write: async (batch) => {
      seen.push(...batch.map(({ partition, offset }) => `${partition}/${offset}`));
    },
  });
  await until("all of it", () => seen.length === 7);
  assert.deepEqual(seen.filter((place) => place.startsWith("0/")).sort(), ["0/3", "0/4"]);
  await running.stop();
  await place.close();
});

test("unusable records go to the dead letters before the offsets move", async () => {
  const place = await installation();
  const heard = told();
  const store = new Store();
  await place.publish(0, 6);
  const running = await place.start(
    (context) => ({
      assigned: store.sink.assigned,
      write: async (batch, next) => {
        const bad = batch.filter(({ value }) => String(value) === "4");
        await context.deadLetter(
          bad.map((record) => ({
            record,
            code: "VIG_EVENT_FIELD_INVALID",
            details: { path: "lat", why: "out of range" },
          })),
        );
        await store.sink.write(
          batch.filter((record) => !bad.includes(record)),
          next,
        );
      },
    }),
    { observer: heard.observer },
  );
  await until("the usable", () => store.effects.length === 5);
  await running.stop();
  const [letter, ...others] = await kafka.read(`${place.prefix}events.dlq`, 0);
  assert.equal(others.length, 0);
  assert.deepEqual([String(letter?.key), String(letter?.value)], ["acme|u", "4"]);
  const header = (name: string) => headerText(letter?.headers ?? [], `vigie.error.${name}`);
  assert.equal(header("code"), "VIG_EVENT_FIELD_INVALID");
  assert.equal(header("message"), "lat: out of range");
  assert.equal(header("topic"), "events");
  assert.equal(header("partition"), "0");
  assert.equal(header("offset"), "2");
  assert.equal(header("service"), "test-sink");
  assert.equal(heard.dead, 1);
  await place.close();
});

test("a store that lost what it held is filled again from where it stands", async () => {
  const place = await installation();
  const store = new Store();
  await place.publish(0, 10);
  let asked = false;
  const running = await place.start({
    assigned: store.sink.assigned,
    write: async (batch, next) => {
      if (store.effects.length === 10 && !asked) {
        asked = true;
        store.effects.length = 0;
        store.offsets.clear();
        return {
          rewind: [0, 1].map((partition) => ({ topic: "events", partition, offset: null })),
        };
      }
      await store.sink.write(batch, next);
      return undefined;
    },
  });
  await until("all of it", () => store.effects.length === 10);
  await place.publish(10, 12);
  await until("all of it again, and more", () => store.effects.length === 12);
  assert.deepEqual(sorted(store.effects), numbers(12));
  await running.stop();
  await place.close();
});

test("the lag is told, and falls to nothing", async () => {
  const place = await installation();
  const heard = told();
  const store = new Store();
  await place.publish(0, 40);
  store.failures = 2;
  const running = await place.start(store.sink, { observer: heard.observer });
  await until("it is behind", () => heard.lag.get("events/0") === 20);
  await until("it has caught up", () => heard.lag.get("events/0") === 0);
  await running.stop();
  await place.close();
});

test("two members share the partitions, and each record takes effect once", async () => {
  const place = await installation();
  const store = new Store();
  await place.publish(0, 100);
  const first = await place.start(store.sink);
  await until("the first part", () => store.effects.length === 100);
  const second = await place.start(store.sink);
  await place.publish(100, 200);
  await until("the second part", () => store.effects.length >= 200);
  await first.stop();
  await place.publish(200, 300);
  await until("the third part", () => store.effects.length >= 300);
  await second.stop();
  assert.deepEqual(sorted(store.effects), numbers(300));
  await place.close();
});

test("an error that no retry heals stops the sink and is told", async () => {
  const place = await installation();
  const topic = `${place.prefix}events`;
  await place.publish(0, 4);
  await kafka.admin.deleteRecords([{ topic, partition: 0, offset: 2 }]);
  const running = await place.start({
    assigned: async (inputs) => inputs.map((input) => ({ ...input, offset: 1 })),
    write: async () => undefined,
  });
  assert.equal((await running.failed).code, "VIG_OFFSET_OUT_OF_RANGE");
  await running.stop();
  await place.close();
});
