import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { test } from "vitest";
import { withRecovery } from "./client.ts";
import { type Cluster, createErrorFromCode } from "./internals.ts";

const cluster = {
  isConnected: () => true,
  refreshMetadata: () => Promise.resolve(),
} as unknown as Cluster;

/** Source: Kafka protocol, error codes. */
const PASSING = [5, 6, 14, 15, 16];
const GROUP_AUTHORIZATION_FAILED = 30;

/** Fails so many times with that code, then answers how often it was asked. */
function failing(times: number, code: number): () => Promise<number> {
  let asked = 0;
  return async () => {
    asked += 1;
    if (asked <= times) throw createErrorFromCode(code);
    return asked;
  };
}

test.each(PASSING)(
  "what a leader or coordinator that is being made answers, %i, is asked again",
  async (code) => {
    assert.equal(await withRecovery(cluster, failing(4, code)), 5);
  },
);

test("any other fault is met once more, and then told", async () => {
  assert.equal(await withRecovery(cluster, failing(1, GROUP_AUTHORIZATION_FAILED)), 2);
  await assert.rejects(
    withRecovery(cluster, failing(2, GROUP_AUTHORIZATION_FAILED)),
    (error) => error instanceof VigError && error.code === "VIG_BROKER_AWAY",
  );
});
