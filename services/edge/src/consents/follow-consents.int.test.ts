import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { GeoPrefs } from "@vigie/schemas/types";
import { type BatchingProducer, openBatchingProducer } from "@vigie/stream/kafka/producer";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll, test, vi } from "vitest";
import { type FollowedConsents, followConsents } from "./follow-consents.ts";

const codecs = memoryCodecs();
const encoder = codecs.encoder<GeoPrefs>("id.geo.prefs");
const WITHIN = { timeout: 10_000 };
let servers: ServiceStack;
let producer: BatchingProducer;

beforeAll(async () => {
  servers = await serviceStack();
  const limits = { lingerMs: 1, bufferBytesMax: 1_048_576, deliveryTimeoutMs: 10_000 };
  producer = await openBatchingProducer(servers.client, limits);
});
afterAll(async () => {
  await producer.close();
  await servers.close();
});

async function say(user: string, precision: number | null, gpsOptIn = true): Promise<void> {
  const prefs = { tenant_id: "acme", user_id: user, gps_opt_in: gpsOptIn, updated_at: 1 };
  const value = precision === null ? null : encoder.encode({ ...prefs, precision });
  await producer.publish({ topic: `${servers.prefix}id.geo.prefs`, key: `acme|${user}`, value });
}

/** Told of each: up, or why not. */
function follow(prefix: string): { consents: FollowedConsents; states: unknown[] } {
  const { client } = servers;
  const states: unknown[] = [];
  const onState = (up: boolean, why?: string): unknown => states.push(up || why);
  return {
    consents: followConsents({ client, prefix, codecs, log: silentLogger, onState }),
    states,
  };
}

test("what was said before and what is said now counts; without the opt-in it is no finer than a city", async () => {
  await say("ada", 7);
  await say("ada", 3);
  await say("bob", 7);
  await say("eve", 7, false);
  await say("dan", 2);
  await say("dan", null);
  const { consents, states } = follow(servers.prefix);
  try {
    assert.equal(consents.lengthOf("acme|ada"), 0);
    await vi.waitFor(() => assert.deepEqual(states, [true]), WITHIN);
    const lengths = () => ["ada", "bob", "eve", "dan"].map((of) => consents.lengthOf(`acme|${of}`));
    assert.deepEqual(lengths(), [3, 7, 5, 5]);
    await say("ada", 6);
    await say("bob", null);
    await say("dan", 2);
    await vi.waitFor(() => assert.deepEqual(lengths(), [6, 5, 5, 2]), WITHIN);
  } finally {
    await consents.stop();
  }
});

test("what cannot be read changes nothing, and is passed over", async () => {
  const key = "acme|fay";
  await say("fay", 2);
  const topic = `${servers.prefix}id.geo.prefs`;
  await producer.publish({ topic, key, value: Buffer.from("no Avro") });
  await say("fay", 9);
  const { consents } = follow(servers.prefix);
  try {
    await vi.waitFor(() => assert.equal(consents.lengthOf(key), 2), WITHIN);
    await say("fay", 3);
    await vi.waitFor(() => assert.equal(consents.lengthOf(key), 3), WITHIN);
  } finally {
    await consents.stop();
  }
});

test("a topic that is not there is told of, and nothing is allowed", async () => {
  const { consents, states } = follow("nowhere.");
  try {
    await vi.waitFor(() => assert.equal(typeof states[0], "string"), WITHIN);
    assert.equal(consents.lengthOf("acme|ada"), 0);
  } finally {
    await consents.stop();
  }
});
