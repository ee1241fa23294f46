import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { test } from "vitest";
import { startJobs } from "./jobs.ts";
import { retryWhileAway } from "./retry.ts";

test("a job runs again after it ended, also after a fault, and stops", async () => {
  const { promise: thrice, resolve } = Promise.withResolvers<void>();
  let runs = 0;
  const run = async () => {
    runs += 1;
    if (runs === 1) throw new Error("away");
    if (runs === 3) resolve();
  };
  const jobs = startJobs([{ name: "count", everyMs: 1, run }], silentLogger);
  await thrice;
  await jobs.stop();
  const stoppedAt = runs;
  await new Promise(setImmediate);
  assert.equal(runs, stoppedAt);
});

test("a job that failed runs again sooner than one that did not", async () => {
  const { promise: twice, resolve } = Promise.withResolvers<void>();
  let runs = 0;
  const run = async () => {
    runs += 1;
    if (runs === 1) throw new Error("away");
    resolve();
  };
  const jobs = startJobs([{ name: "count", everyMs: 3_600_000, retryMs: 1, run }], silentLogger);
  await twice;
  await jobs.stop();
  assert.equal(runs, 2);
});

const options = { log: silentLogger, what: "test", firstMs: 1 };
const away = () => new VigError("VIG_BROKER_AWAY", { why: "refused" });

test("work is tried again while what it needs is away", async () => {
  const told: string[] = [];
  let tries = 0;
  const work = async () => {
    tries += 1;
    if (tries < 3) throw away();
    return "done";
  };
  const onAway = (error: VigError) => told.push(error.code);
  assert.equal(await retryWhileAway(work, { ...options, onAway }), "done");
  assert.deepEqual(told, ["VIG_BROKER_AWAY", "VIG_BROKER_AWAY"]);
});

test("what a retry cannot help is thrown at once, and an abort ends the waiting", async () => {
  const broken = async () => {
    throw new VigError("VIG_TOPIC_MISSING", { topic: "id.login" });
  };
  await assert.rejects(retryWhileAway(broken, options), /VIG_TOPIC_MISSING/);
  const abort = new AbortController();
  const stuck = async () => {
    abort.abort();
    throw away();
  };
  await assert.rejects(
    retryWhileAway(stuck, { ...options, signal: abort.signal }),
    /VIG_BROKER_AWAY/,
  );
});
