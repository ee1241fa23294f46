import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { test } from "vitest";
import type { RunningCache } from "./app.ts";
import { startLater } from "./start-later.ts";

const away = new VigError("VIG_BROKER_AWAY", { why: "refused" });

function running(): RunningCache & { readonly stops: () => number } {
  let stops = 0;
  return {
    failed: new Promise<Error>(() => {}),
    stop: async () => {
      stops += 1;
    },
    stops: () => stops,
  };
}

test("a broker that is away is waited for, and every attempt is told of", async () => {
  const cache = running();
  let attempts = 0;
  const told: string[] = [];
  const started = Promise.withResolvers<void>();
  const later = startLater(
    async () => {
      attempts += 1;
      if (attempts < 3) throw away;
      started.resolve();
      return cache;
    },
    (error) => told.push(error.code),
  );
  await started.promise;
  assert.deepEqual(told, ["VIG_BROKER_AWAY", "VIG_BROKER_AWAY"]);
  await new Promise((resolve) => setImmediate(resolve));
  await later.stop();
  assert.equal(cache.stops(), 1);
});

test("what a retry does not heal ends it, and so does a stop", async () => {
  const missing = new VigError("VIG_TOPIC_MISSING", { topic: "id.session.state" });
  const later = startLater(
    () => Promise.reject(missing),
    () => assert.fail("nothing is waited for"),
  );
  assert.equal(await later.failed, missing);
  const waiting = startLater(
    () => Promise.reject(away),
    () => {},
  );
  await waiting.stop();
  assert.equal(await waiting.failed, away);
});
