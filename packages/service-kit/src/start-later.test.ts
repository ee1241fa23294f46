import assert from "node:assert/strict";
import { test } from "vitest";
import { startLater } from "./start-later.ts";

const never = new Promise<Error>(() => {});

test("a start that fails is a failure, one that waits has nothing to drain", async () => {
  const failing = startLater(() => Promise.reject(new Error("no such topic")));
  assert.match((await failing.failed).message, /no such topic/);
  const waiting = startLater(() => new Promise(() => {}));
  await waiting.stop();
});

test("what has started is stopped, and its failure is passed on", async () => {
  let stopped = 0;
  const stop = async (): Promise<void> => {
    stopped += 1;
  };
  const running = startLater(() => Promise.resolve({ stop, failed: never }));
  await Promise.resolve();
  await Promise.resolve();
  await running.stop();
  assert.equal(stopped, 1);
  const failed = Promise.resolve(new Error("fenced"));
  const failing = startLater(() => Promise.resolve({ stop, failed }));
  assert.match((await failing.failed).message, /fenced/);
});
