import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { provisionTopics } from "@vigie/schemas/provision";
import type { GeoPrefs } from "@vigie/schemas/types";
import { createMetrics } from "@vigie/service-kit/metrics";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { type BatchingProducer, openBatchingProducer } from "@vigie/stream/kafka/producer";
import { eventually } from "@vigie/testkit/eventually";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll, test } from "vitest";
import { followConsents } from "./follow-consents.ts";

const codecs = memoryCodecs();
const encoder = codecs.encoder<GeoPrefs>("id.geo.prefs");
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

function prefsOf(user: string, precision: number, gpsOptIn = true): Buffer {
  const prefs = { tenant_id: "acme", user_id: user, gps_opt_in: gpsOptIn, updated_at: 1 };
  return encoder.encode({ ...prefs, precision });
}

async function say(user: string, precision: number | null, gpsOptIn = true): Promise<void> {
  const value = precision === null ? null : prefsOf(user, precision, gpsOptIn);
  await producer.publish({ topic: `${servers.prefix}id.geo.prefs`, key: `acme|${user}`, value });
}

/** Told of each: up, or why not. */
function follow(prefix: string, silence: { readonly silenceMaxMs?: number } = {}) {
  const { client } = servers;
  const states: unknown[] = [];
  const onState = (up: boolean, why?: string): unknown => states.push(up || why);
  const metrics = createMetrics("edge", { processMetrics: false });
  const wiring = { client, prefix, codecs, log: silentLogger, metrics, onState };
  const consents = followConsents({ ...wiring, ...silence });
  return { consents, states, metrics };
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
    await eventually(() => assert.deepEqual(states, [true]));
    const lengths = () => ["ada", "bob", "eve", "dan"].map((of) => consents.lengthOf(`acme|${of}`));
    assert.deepEqual(lengths(), [3, 7, 5, 5]);
    await say("ada", 6);
    await say("bob", null);
    await say("dan", 2);
    await eventually(() => assert.deepEqual(lengths(), [6, 5, 5, 2]));
  } finally {
    await consents.stop();
  }
});

test("what cannot be read, or is under somebody else's key, changes nothing, and is counted and passed over", async () => {
  const key = "acme|fay";
  await say("fay", 2);
  const topic = `${servers.prefix}id.geo.prefs`;
  await producer.publish({ topic, key, value: Buffer.from("no Avro") });
  await say("fay", 9);
  const value = prefsOf("gil", 7);
  await producer.publish({ topic, key, value });
  await producer.publish({ topic, key: "other|gil", value });
  await producer.publish({ topic, key: `acme|${"x".repeat(100_000)}`, value: null });
  const { consents, metrics } = follow(servers.prefix);
  try {
    await eventually(() => assert.equal(consents.lengthOf(key), 2));
    assert.equal(consents.lengthOf("other|gil"), 5);
    const counted = await metrics.registry.getMetricsAsJSON();
    const refused = counted.find(({ name }) => name === "vigie_consents_unreadable_total");
    assert.deepEqual(
      refused?.values.map(({ labels, value: count }) => [labels.code, count]).toSorted(),
      [
        ["VIG_EVENT_FIELD_INVALID", 1],
        ["VIG_RECORD_KEY_MISMATCH", 3],
        ["VIG_RECORD_NOT_AVRO", 1],
      ],
    );
    await say("fay", 3);
    await eventually(() => assert.equal(consents.lengthOf(key), 3));
  } finally {
    await consents.stop();
  }
});

test("a topic that is not there is told of, and nothing is allowed", async () => {
  const { consents, states } = follow("nowhere.");
  try {
    await eventually(() => assert.equal(typeof states[0], "string"));
    assert.equal(consents.lengthOf("acme|ada"), 0);
  } finally {
    await consents.stop();
  }
});

test("CNF-05: a follow that hears nothing allows nothing after a while, and goes on by itself", async () => {
  const silenceMaxMs = 1_500;
  const topic = `${servers.prefix}id.geo.prefs`;
  await say("ida", 7);
  const { consents, states } = follow(servers.prefix, { silenceMaxMs });
  const admin = await openAdmin(servers.client);
  try {
    await eventually(() => assert.deepEqual(states, [true]));
    // Nobody says anything: that is no silence of the broker's.
    const quietUntilMs = performance.now() + 2 * silenceMaxMs;
    await eventually(() => assert(performance.now() > quietUntilMs));
    assert.deepEqual([states, consents.lengthOf("acme|ida")], [[true], 7]);
    await admin.deleteTopics([topic]);
    await eventually(() => assert.match(String(states.at(-1)), /nothing was heard/));
    assert.equal(consents.lengthOf("acme|ida"), 0);
    await provisionTopics(admin, { prefix: servers.prefix, replicationFactor: 1 });
    await eventually(() => assert.equal(states.at(-1), true));
    await say("ida", 3);
    await eventually(() => assert.equal(consents.lengthOf("acme|ida"), 3));
  } finally {
    await admin.close();
    await consents.stop();
  }
});
