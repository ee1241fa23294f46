import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { partitionOf, SessionName, userKey } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { noOutages } from "@vigie/core/outages";
import { defaultPolicy } from "@vigie/core/policy";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionState } from "@vigie/schemas/types";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import { DenialBook } from "@vigie/service-kit/sessions/denial-book";
import { layoutOf, sessionName } from "@vigie/service-kit/sessions/layout";
import { redisSessions } from "@vigie/service-kit/sessions/redis-sessions";
import { createSessionView } from "@vigie/service-kit/sessions/session-view";
import { createTopicEnds } from "@vigie/service-kit/sessions/topic-ends";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { type BatchingProducer, openBatchingProducer } from "@vigie/stream/kafka/producer";
import type { StreamObserver } from "@vigie/stream/observer";
import { eventually } from "@vigie/testkit/eventually";
import { freshPrefix, stack, type TestStack } from "@vigie/testkit/stack";
import { openSwitch } from "@vigie/testkit/tcp-switch";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { startSessionCache } from "./app.ts";
import { createSessionCache } from "./cache.ts";
import { STATE_TOPIC } from "./cache-sink.ts";
import { ended, sessionState } from "./testing.ts";

const PARTITIONS = 6;

let servers: TestStack;
beforeAll(async () => {
  servers = await stack();
});
afterAll(() => servers.close());

const codecs = memoryCodecs();
const encoder = codecs.encoder<SessionState>(STATE_TOPIC);
const quiet: StreamObserver = {
  committed() {},
  lag() {},
  restoring() {},
  dependency() {},
  task() {},
};

const until = (what: string, holds: () => Promise<boolean>): Promise<void> =>
  eventually(async () => assert.ok(await holds(), what));

/** A topic of its own, a way to write to it, and the cache as readers see it. */
async function open() {
  const prefix = freshPrefix();
  const client = openKafka({ brokers: [servers.kafka], clientId: "test", log: silentLogger });
  const admin = await openAdmin(client);
  const dead = { topic: `${prefix}${STATE_TOPIC}.dlq`, partitions: PARTITIONS };
  await admin.createTopics([
    {
      topic: prefix + STATE_TOPIC,
      partitions: PARTITIONS,
      configs: { "cleanup.policy": "compact" },
    },
    dead,
  ]);
  const producer = await openBatchingProducer(client);
  const openStore = (url: string) =>
    openRedis({
      url,
      prefix,
      connectionName: "test",
      log: silentLogger,
      commandTimeoutMs: 500,
    });
  const redis = openStore(servers.redis);
  const cache = createSessionCache(redis);
  const stable = () => admin.stableOffsets(prefix + STATE_TOPIC);
  onTestFinished(async () => {
    await admin.close();
    await producer.close();
    await redis.close();
  });
  const publish = publisher(producer, prefix + STATE_TOPIC);
  const publishBytes = (user: string, value: Buffer) =>
    producer.publish({
      topic: prefix + STATE_TOPIC,
      key: `acme|${user}|s-1`,
      value,
      partition: partitionOf(userKey("acme", user), PARTITIONS),
    });
  const start = async (url = servers.redis, onStore: (up: boolean) => void = () => {}) => {
    const store = openStore(url);
    const running = await startSessionCache({
      client,
      prefix,
      memberIdFile: null,
      cache: createSessionCache(store),
      decoder: codecs.decoder<SessionState>(STATE_TOPIC),
      log: silentLogger,
      observer: quiet,
      onStore,
      onWriting: () => undefined,
    });
    const stop = async (): Promise<void> => {
      await running.stop();
      await store.close();
    };
    onTestFinished(stop);
    return { ...running, stop };
  };
  const asOfNow = () => kindsAsOfNow(redis, stable);
  const kindOf = async (userId: string, sessionId?: string) => (await asOfNow())(userId, sessionId);
  return {
    redis,
    cache,
    asOfNow,
    kindOf,
    publish,
    publishBytes,
    start,
    layout: layoutOf(redis.key),
  };
}

/**
 * What a reader of this Redis that has no other store, and asks for all that lies on the topic by now, says of a
 * user's session; unsure: that it cannot tell.
 */
async function kindsAsOfNow(redis: RedisStore, stable: () => Promise<readonly number[]>) {
  const ends = createTopicEnds({ stable, clock: Date.now, log: silentLogger });
  // A broker that is busy takes a moment to lead the partitions of a new topic.
  await eventually(() => ends.look());
  const view = createSessionView({
    stores: [redisSessions(redis, Date.now)],
    book: new DenialBook(Date.now),
    isBookCurrent: () => true,
    ends,
    policyOf: () => defaultPolicy,
    outagesOf: () => noOutages,
    ownerOf: async () => null,
    clock: Date.now,
  });
  return async (userId: string, sessionId = "s-1") => {
    try {
      return (await view.resolve(new SessionName("acme", userId, sessionId))).kind;
    } catch (error) {
      assert.ok(error instanceof VigError && error.code === "VIG_SESSION_STATE_UNKNOWN");
      return "unsure";
    }
  };
}

const publisher =
  (producer: BatchingProducer, topic: string) =>
  async (...states: readonly SessionState[]): Promise<void> => {
    await Promise.all(
      states.map((state) =>
        producer.publish({
          topic,
          key: sessionName(state),
          value: encoder.encode(state),
          partition: partitionOf(userKey(state.tenant_id, state.user_id), PARTITIONS),
        }),
      ),
    );
  };

const users = (count: number, nowMs: number): SessionState[] =>
  Array.from({ length: count }, (_, n) => sessionState(nowMs, { user_id: `u-${n}` }));

test("HBT-04: states of the topic are in Redis, ended ones as markers, and garbage does not stop it", async () => {
  const { cache, kindOf, publish, publishBytes, start } = await open();
  const nowMs = Date.now();
  const states = users(50, nowMs);
  for (const { user_id } of states) await publishBytes(user_id, Buffer.from("garbage"));
  await publish(...states);
  await start();
  await until("all are live", async () => (await cache.countActive()) === 50);
  await publish(ended(nowMs, { user_id: "u-7" }));
  await until("one has ended", async () => {
    return (await kindOf("u-7")) === "ended";
  });
  await until("one lives", async () => (await kindOf("u-8")) === "live");
  assert.equal(await kindOf("u-8", "another"), "unknown");
});

test("a Redis that lost its data is filled again, with nothing new on the topic", async () => {
  const { redis, cache, kindOf, publish, start, layout } = await open();
  const nowMs = Date.now();
  await publish(...users(50, nowMs), ended(nowMs, { user_id: "u-7" }));
  await start();
  await until("filled", async () => (await cache.countActive()) === 49);
  const keys = (await redis.command("KEYS", redis.key("*"))) as string[];
  assert.ok(keys.includes(layout.progress));
  await redis.command("DEL", ...keys);
  assert.equal(await kindOf("u-1"), "unsure");
  await until("filled again", async () => {
    const kind = await kindOf("u-1");
    // Never alive before the end of the other session is known again.
    if (kind === "live") {
      assert.notEqual(await kindOf("u-7"), "live");
    }
    return kind === "live" && (await cache.countActive()) === 49;
  });
});

test("under load, a session that has ended is never called alive while Redis is being filled again", async () => {
  const { redis, asOfNow, kindOf, publish, start } = await open();
  const nowMs = Date.now();
  const states = users(400, nowMs);
  await publish(...states);
  await publish(...states.map(({ user_id }) => ended(nowMs, { user_id })));
  await start();
  await until("filled", async () => (await kindOf("u-1")) === "ended");
  const keys = (await redis.command("KEYS", redis.key("*"))) as string[];
  await redis.command("DEL", ...keys);
  let load = 0;
  let seen = 0;
  await until("all ends are known again", async () => {
    load += 1;
    await publish(sessionState(Date.now(), { user_id: `load-${load}` }));
    const kindNow = await asOfNow();
    const kinds = await Promise.all(states.map(({ user_id }) => kindNow(user_id)));
    assert.ok(!kinds.includes("live"), "no wrong life");
    seen = kinds.filter((kind) => kind === "ended").length;
    return seen === states.length;
  });
});

test("a restart goes on where Redis says, and what was written while it was down arrives", async () => {
  const { cache, kindOf, publish, start } = await open();
  const nowMs = Date.now();
  await publish(...users(20, nowMs));
  const first = await start();
  await until("filled", async () => (await cache.countActive()) === 20);
  await first.stop();
  await publish(ended(nowMs, { user_id: "u-3" }), sessionState(nowMs, { user_id: "late" }));
  await start();
  await until("the rest arrived", async () => {
    return (await kindOf("u-3")) === "ended" && (await cache.countActive()) === 20;
  });
});

test("while Redis is away it waits, says so, and loses nothing", async () => {
  const { cache, publish, start } = await open();
  const port = Number(new URL(servers.redis).port);
  const wire = await openSwitch();
  wire.moveTo(port);
  onTestFinished(() => wire.close());
  const told: boolean[] = [];
  await start(`redis://127.0.0.1:${wire.port}`, (up) => told.push(up));
  const nowMs = Date.now();
  await publish(...users(10, nowMs));
  await until("filled", async () => (await cache.countActive()) === 10);
  wire.moveTo(null);
  await publish(...users(30, nowMs + 1));
  await until("health says so", async () => told.at(-1) === false);
  assert.equal(await cache.countActive(), 10);
  wire.moveTo(port);
  await until("all arrived", async () => (await cache.countActive()) === 30);
  await until("health says so", async () => told.at(-1) === true);
});
