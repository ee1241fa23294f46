import { silentLogger } from "@vigie/core/log";
import { eventually } from "@vigie/testkit/eventually";
import { expect, onTestFinished, test } from "vitest";
import { startChaser } from "./chaser.ts";
import { type SignedCheckpoint, signCheckpoint } from "./keys.ts";
import { logKeys, MemoryTree } from "./testing.ts";

const keys = logKeys();
const sized = async (size: number) =>
  signCheckpoint(keys, await new MemoryTree().grow(size).head());

function chase(work: (checkpoint: SignedCheckpoint) => Promise<void>) {
  const done: (string | undefined)[] = [];
  const onDone = (why?: string): void => void done.push(why);
  const chaser = startChaser({ name: "test", everyMs: 1, work, log: silentLogger, onDone });
  onTestFinished(() => chaser.stop());
  return { chaser, done };
}

test("only the newest is worked on; an older one that comes late is passed over", async () => {
  const worked: number[] = [];
  const first = Promise.withResolvers<void>();
  const { chaser } = chase(async ({ size }) => {
    worked.push(Number(size));
    if (size === 1n) await first.promise;
  });
  chaser.offer(await sized(1));
  await eventually(() => expect(worked).toEqual([1]));
  for (const size of [2, 3, 4, 2]) chaser.offer(await sized(size));
  first.resolve();
  await eventually(() => expect(worked).toEqual([1, 4]));
  chaser.offer(await sized(4));
  await eventually(() => expect(worked).toEqual([1, 4, 4]));
});

test("what failed is tried again, and told of", async () => {
  let failures = 3;
  const { chaser, done } = chase(async () => {
    failures -= 1;
    if (failures >= 0) throw new Error("away");
  });
  chaser.offer(await sized(1));
  await eventually(() => expect(done).toEqual(["away", "away", "away", undefined]));
});

test("told to, it finishes what waits when it is stopped, once", async () => {
  for (const fails of [false, true]) {
    const worked: bigint[] = [];
    const chaser = startChaser({
      name: "test",
      everyMs: 60_000,
      log: silentLogger,
      finishes: true,
      work: async ({ size }) => {
        worked.push(size);
        if (fails && size === 2n) throw new Error("away");
      },
    });
    chaser.offer(await sized(1));
    await eventually(() => expect(worked).toEqual([1n]));
    chaser.offer(await sized(2));
    await chaser.stop();
    expect(worked).toEqual([1n, 2n]);
  }
});

test("a stop waits for what is under way, and not for pauses", async () => {
  const work = Promise.withResolvers<void>();
  let begun = false;
  let ended = false;
  const chaser = startChaser({
    name: "test",
    everyMs: 60_000,
    log: silentLogger,
    work: async () => {
      begun = true;
      await work.promise;
      ended = true;
    },
  });
  chaser.offer(await sized(1));
  await eventually(() => expect(begun).toBe(true));
  const stopping = chaser.stop();
  work.resolve();
  await stopping;
  expect(ended).toBe(true);
});
