import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { InputQueue } from "./input-queue.ts";
import { TimeMerge } from "./merge.ts";
import type { RawRecord } from "./record.ts";

const recordsOf = (times: readonly number[], from = 0): RawRecord[] =>
  times.map((timestampMs, at) => ({
    offset: from + at,
    timestampMs,
    key: Buffer.from("k"),
    value: Buffer.from("v"),
    headers: [],
    size: 2,
  }));

const queueOf = (topic: string, times: readonly number[], end: number, urgent = false) => {
  const queue = new InputQueue(topic, urgent);
  queue.push(recordsOf(times), times.length, end);
  return queue;
};

/** Takes until nothing may be taken; `topic@time` of each. */
function drain(merge: TimeMerge, nowMs: number): string[] {
  const taken: string[] = [];
  for (;;) {
    const next = merge.next(nowMs);
    if (next.kind !== "take") return taken;
    taken.push(`${next.queue.topic}@${next.queue.headMs}`);
    next.queue.take();
  }
}

test("the oldest head is next; of heads of one time that of the input named first", () => {
  const merge = new TimeMerge(
    [queueOf("a", [10, 30, 40], 3), queueOf("b", [20, 30, 50], 3)],
    1_000,
  );
  assert.deepEqual(drain(merge, 0), ["a@10", "b@20", "a@30", "b@30", "a@40", "b@50"]);
});

test("an input with more to read is waited for, then gone on without until it has caught up", () => {
  const a = queueOf("a", [10, 20], 2);
  const b = queueOf("b", [], 5);
  const merge = new TimeMerge([a, b], 1_000);
  assert.deepEqual(merge.next(100), { kind: "wait", untilMs: 1_100 });
  assert.deepEqual(merge.next(1_099), { kind: "wait", untilMs: 1_100 });
  assert.deepEqual(drain(merge, 1_100), ["a@10", "a@20"]);
  a.push(recordsOf([30], 2), 3, 3);
  b.push(recordsOf([5]), 1, 5);
  assert.deepEqual(drain(merge, 1_200), ["b@5"]);
  assert.deepEqual(merge.next(1_200), { kind: "wait", untilMs: 2_200 });
  b.push([], 5, 5);
  assert.deepEqual(drain(merge, 1_300), ["a@30"]);
});

test("an input at its last stable offset is not waited for, whatever lies behind", () => {
  const behind = queueOf("b", [], 4);
  const merge = new TimeMerge([queueOf("a", [10], 1), behind], 10_000);
  assert.equal(merge.next(0).kind, "wait");
  // Control records and aborted ones move the position without a record.
  behind.push([], 4, 4);
  assert.deepEqual(drain(merge, 0), ["a@10"]);
});

test("urgent records are taken at once, whatever is waited for", () => {
  const merge = new TimeMerge(
    [queueOf("a", [10], 1), queueOf("late", [], 9), queueOf("u", [99, 100], 2, true)],
    1_000,
  );
  assert.deepEqual(drain(merge, 0), ["u@99", "u@100"]);
});

test("an absent input is never waited for", () => {
  const absent = new InputQueue("x", false);
  absent.absent = true;
  assert.deepEqual(drain(new TimeMerge([absent, queueOf("a", [1], 1)], 1_000), 0), ["a@1"]);
});

const inputs = fc.array(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 12 }), {
  minLength: 1,
  maxLength: 4,
});

/** Feeds sorted inputs in chunks of any size, in any order of inputs; returns the times in the order taken. */
function feedAndTake(times: readonly number[][], picks: readonly number[], idleMs: number) {
  const sorted = times.map((list) => [...list].sort((a, b) => a - b));
  const queues = sorted.map((list, at) => {
    const queue = new InputQueue(String(at), false);
    queue.push([], 0, list.length);
    return queue;
  });
  const merge = new TimeMerge(queues, idleMs);
  const taken: string[] = [];
  for (const pick of [...picks, ...sorted.flatMap((list, at) => list.map(() => at))]) {
    const queue = queues[pick % queues.length] as InputQueue;
    const list = sorted[pick % queues.length] as number[];
    const from = queue.position;
    const chunk = list.slice(from, from + 1 + (pick % 3));
    queue.push(recordsOf(chunk, from), from + chunk.length, list.length);
    taken.push(...drain(merge, 0));
  }
  return { taken: taken.map((text) => Number(text.split("@")[1])), all: sorted.flat() };
}

const inOrder = (idleMs: number) =>
  fc.property(inputs, fc.array(fc.nat(30), { maxLength: 30 }), (times, picks) => {
    const { all, taken } = feedAndTake(times, picks, idleMs);
    assert.deepEqual(
      taken,
      [...all].sort((a, b) => a - b),
    );
  });

test("however inputs come in, what is known to exist is taken in order of time", () => {
  fc.assert(inOrder(1));
});

test("the property refuses a merge that does not wait", () => {
  assert.ok(fc.check(inOrder(0)).failed);
});
