import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { silentLogger } from "@vigie/core/log";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import { stack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, test } from "vitest";
import { openConversation } from "./converse.ts";
import { dialoguesSuite, keptAt } from "./dialogues.suite.ts";
import { nameOf } from "./marks.ts";
import { redisDialogues } from "./redis-dialogues.ts";
import { caller, LIFETIMES, testKeys } from "./testing.ts";

let redis: RedisStore;
let closeStack: () => Promise<void>;

beforeAll(async () => {
  const servers = await stack();
  closeStack = servers.close;
  const { prefix, redis: url } = servers;
  redis = openRedis({ url, prefix, connectionName: "test", log: silentLogger });
});
afterAll(async () => {
  await redis.close();
  await closeStack();
});

dialoguesSuite("redis", (lifetimes) => redisDialogues(redis, lifetimes));

test("redis: one callback at two processes at once is done once and answered twice", async () => {
  const processes = [1, 2].map(() =>
    openConversation({
      store: redisDialogues(redis, LIFETIMES),
      keys: testKeys,
      clock: Date.now,
    }),
  );
  const sessionId = randomUUID();
  const one = caller(sessionId);
  for (const text of ["", "1", "1*1", "1*1*8305"]) {
    const answers = await Promise.all(
      processes.flatMap((each) => [each.hear(one.heard(text)), each.hear(one.heard(text))]),
    );
    assert.equal(new Set(answers.map(({ screen }) => screen.text)).size, 1);
    assert.deepEqual(
      answers
        .map(({ kind }) => kind)
        .sort()
        .slice(1),
      ["repeat", "repeat", "repeat"],
    );
  }
  assert.deepEqual(one.asked, ["3 checkPin 8305"]);
});

test("redis: a dialogue that another process begins during a read is not over", async () => {
  const name = randomUUID();
  const other = redisDialogues(redis, LIFETIMES);
  // Commands of their own arrive one by one: the other process begins after the first.
  let turn: Promise<unknown> = Promise.resolve();
  const apart: RedisStore = {
    ...redis,
    command(...command) {
      const answer = turn.then(() => redis.command(...command));
      turn = answer.then(() => other.swap(name, keptAt(1)));
      return answer;
    },
  };
  assert.notEqual(await redisDialogues(apart, LIFETIMES).read(name), "over");
});

/** As words of their own: a hash or a time may hold their digits by chance. */
const typed = /(?<![\w-])(73910586|4071|771234567)(?![\w-])/;

test("redis: nothing that was typed, and no phone, is kept, and nothing for long", async () => {
  const { hear } = openConversation({
    store: redisDialogues(redis, LIFETIMES),
    keys: testKeys,
    clock: Date.now,
  });
  const one = caller(randomUUID());
  for (const text of ["", "2", "2*73910586", "2*73910586*4071"]) await hear(one.heard(text));
  const name = nameOf(testKeys.hmacKey("*"), one.heard("").callback);
  const keys = (await redis.command("KEYS", redis.key(`*${name}*`))) as string[];
  assert.equal(keys.length, 2);
  for (const key of keys) {
    const isMarker = key.endsWith(":used");
    const held = isMarker ? "" : JSON.stringify(await redis.command("HGETALL", key));
    assert.doesNotMatch(`${held} ${key}`, typed);
    const ttlMs = Number(await redis.command("PTTL", key));
    assert.ok(ttlMs <= (isMarker ? LIFETIMES.usedMs : LIFETIMES.idleMs));
  }
});
