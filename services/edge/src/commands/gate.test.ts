import assert from "node:assert/strict";
import { test, vi } from "vitest";
import { Gate } from "./gate.ts";

test("as many as it has room for, then in the order in which they came", async () => {
  const gate = new Gate(2);
  assert.ok(await gate.enter(1_000));
  assert.ok(await gate.enter(1_000));
  const order: string[] = [];
  const third = gate.enter(1_000).then(() => order.push("third"));
  const fourth = gate.enter(1_000).then(() => order.push("fourth"));
  gate.leave();
  await third;
  assert.deepEqual(order, ["third"]);
  gate.leave();
  await fourth;
  gate.leave();
  gate.leave();
  assert.ok((await gate.enter(0)) && (await gate.enter(0)), "both places are free again");
});

test("who waited too long is not let in, and takes nobody's place", async () => {
  vi.useFakeTimers();
  try {
    const gate = new Gate(1);
    await gate.enter(0);
    const late = gate.enter(50);
    await vi.advanceTimersByTimeAsync(50);
    assert.equal(await late, false);
    gate.leave();
    assert.ok(await gate.enter(0));
  } finally {
    vi.useRealTimers();
  }
});
