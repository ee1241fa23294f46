import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { silentLogger } from "@vigie/core/log";
import { test } from "vitest";
import { runUntilSignal } from "./shutdown.ts";

class FakeProcess extends EventEmitter {
  readonly codes: number[] = [];
  exit(code: number): void {
    this.codes.push(code);
  }
}

function running(closables: (() => Promise<unknown>)[], drainTimeoutMs = 5_000) {
  const host = new FakeProcess();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  const options = { log: silentLogger, drainTimeoutMs, failed: [failed], process: host };
  const done = runUntilSignal(
    closables.map((close) => ({ close })),
    options,
  );
  return { host, done, fail };
}

const never = () => new Promise<never>(() => {});

test("SIGTERM closes everything in order and exits 0", async () => {
  const closed: string[] = [];
  const { host, done } = running([
    async () => closed.push("server"),
    async () => closed.push("producer"),
  ]);
  host.emit("SIGTERM");
  await done;
  assert.deepEqual(closed, ["server", "producer"]);
  assert.deepEqual(host.codes, [0]);
  assert.equal(host.listenerCount("SIGTERM"), 0);
});

test("what does not close within the deadline is left, and the exit code is 1", async () => {
  const { host, done } = running([never], 10);
  host.emit("SIGINT");
  await done;
  assert.deepEqual(host.codes, [1]);
});

test("a close that throws does not keep the others open", async () => {
  let closed = false;
  const throws = async () => {
    throw new Error("stuck");
  };
  const { host, done } = running([
    throws,
    async () => {
      closed = true;
    },
  ]);
  host.emit("SIGTERM");
  await done;
  assert.ok(closed);
  assert.deepEqual(host.codes, [1]);
});

test("a second signal exits at once", async () => {
  const { host, done } = running([never]);
  host.emit("SIGTERM");
  host.emit("SIGTERM");
  await done;
  assert.deepEqual(host.codes, [1]);
});

test("an uncaught error exits 1", async () => {
  for (const event of ["uncaughtException", "unhandledRejection"]) {
    const { host, done } = running([]);
    host.emit(event, new Error("bug"));
    await done;
    assert.deepEqual(host.codes, [1]);
  }
});

test("a service that fails drains and exits 1", async () => {
  let closed = false;
  const { host, done, fail } = running([
    async () => {
      closed = true;
    },
  ]);
  fail(new Error("fenced"));
  await done;
  assert.ok(closed);
  assert.deepEqual(host.codes, [1]);
});
