import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { test } from "vitest";
import { retryWhileAway } from "./retry.ts";
import { orAborted, type Running, startInBackground } from "./start-in-background.ts";

const away = new VigError("VIG_BROKER_AWAY", { why: "refused" });

function running(): Running & { readonly stops: () => number } {
  let stops = 0;
  return {
    failed: new Promise<Error>(() => {}),
    stop: async () => {
      stops += 1;
    },
    stops: () => stops,
  };
}

test("what has started is stopped once, and its failure is passed on", async () => {
  const service = running();
  const later = startInBackground(() => Promise.resolve(service));
  await later.started;
  await later.stop();
  assert.equal(service.stops(), 1);
  const lost = { ...running(), failed: Promise.resolve(away) };
  assert.equal(await startInBackground(async () => lost).failed, away);
});

test("a start that fails is a failure, and there is nothing to stop", async () => {
  const missing = new VigError("VIG_TOPIC_MISSING", { topic: "id.session.state" });
  const later = startInBackground(() => Promise.reject(missing));
  assert.equal(await later.failed, missing);
  await later.stop();
});

test("a stop ends the waiting for a server that is away", async () => {
  let told = 0;
  const first = Promise.withResolvers<void>();
  const later = startInBackground((signal) =>
    retryWhileAway(() => Promise.reject(away), {
      log: silentLogger,
      what: "kafka",
      signal,
      onAway: () => {
        told += 1;
        first.resolve();
      },
    }),
  );
  await first.promise;
  await later.stop();
  assert.equal(await later.failed, away);
  assert.ok(told >= 1);
});

test("what a stop finds only just started is stopped", async () => {
  const service = running();
  const start = Promise.withResolvers<Running>();
  const later = startInBackground(() => start.promise);
  const stopped = later.stop();
  start.resolve(service);
  await stopped;
  assert.equal(service.stops(), 1);
});

test("a stop does not wait for work that nobody can end, and gives back what comes late", async () => {
  const service = running();
  const start = Promise.withResolvers<Running>();
  const later = startInBackground((signal) =>
    orAborted(start.promise, signal, (late) => late.stop()),
  );
  await later.stop();
  assert.equal((await later.failed).name, "AbortError");
  start.resolve(service);
  await new Promise(setImmediate);
  assert.equal(service.stops(), 1);
});

test("work that ends in time is what it is; a signal given before ends the waiting at once", async () => {
  const never = new Promise<never>(() => {});
  const giveBack = () => Promise.reject(away);
  const { signal } = new AbortController();
  assert.equal(await orAborted(Promise.resolve(1), signal, giveBack), 1);
  await assert.rejects(orAborted(Promise.reject(away), signal, giveBack), away);
  await assert.rejects(orAborted(never, AbortSignal.abort(), giveBack), { name: "AbortError" });
  await assert.rejects(orAborted(Promise.resolve(1), AbortSignal.abort(), giveBack), {
    name: "AbortError",
  });
});
