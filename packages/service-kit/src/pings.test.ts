import assert from "node:assert/strict";
import { test } from "vitest";
import { createHealth } from "./health.ts";
import { pingJobs } from "./pings.ts";

test("a store that answers is up, one that does not is down with why, and either only degrades", async () => {
  const health = createHealth("test");
  const away = { ping: () => Promise.reject(new Error("refused")) };
  const jobs = pingJobs({ database: { ping: () => Promise.resolve() }, redis: away }, health);
  assert.equal(health.report().status, "degraded");
  for (const job of jobs) await job.run();
  const { status, parts } = health.report();
  assert.equal(status, "degraded");
  assert.equal(parts.database?.status, "up");
  assert.partialDeepStrictEqual(parts.redis, { status: "down", why: "refused" });
});
