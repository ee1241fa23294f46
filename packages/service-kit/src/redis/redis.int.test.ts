import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { stack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { openRedis, type RedisStore } from "./redis.ts";

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

const SET_IF_GREATER = `
  local held = tonumber(redis.call('GET', KEYS[1]) or '0')
  if tonumber(ARGV[1]) <= held then return 0 end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1`;

test("keys carry the prefix, values come back", async () => {
  const key = redis.key("greeting");
  assert.match(key, /^t[0-9a-f]+\.greeting$/);
  await redis.command("SET", key, "salut", "PX", 60_000);
  assert.equal(await redis.command("GET", key), "salut");
});

test("a script runs by its hash, and again after the server forgot it", async () => {
  const setIfGreater = redis.script(SET_IF_GREATER);
  const key = redis.key("version");
  assert.equal(await setIfGreater([key], [5, 60_000]), 1);
  assert.equal(await setIfGreater([key], [4, 60_000]), 0);
  await redis.command("SCRIPT", "FLUSH");
  assert.equal(await setIfGreater([key], [6, 60_000]), 1);
  await redis.command("SCRIPT", "FLUSH");
  const calls = [7, 6].map((version) => setIfGreater([key], [version, 60_000]));
  assert.deepEqual(await Promise.all(calls), [1, 0]);
});

test("a script that only reads runs by its hash; it may not write, and a fault of its own is told as it is", async () => {
  const key = redis.key("read");
  await redis.command("SET", key, "1", "PX", 60_000);
  const read = redis.readScript(
    "return { redis.call('GET', KEYS[1]), redis.call('GET', ARGV[1]) }",
  );
  assert.deepEqual(await read([key], [redis.key("none")]), ["1", null]);
  await redis.command("SCRIPT", "FLUSH");
  assert.deepEqual(await read([key], [key]), ["1", "1"]);
  await assert.rejects(redis.readScript(SET_IF_GREATER)([key], [2, 60_000]), /[Ww]rite commands/);
  assert.equal(await redis.command("GET", key), "1");
  await assert.rejects(
    redis.readScript("return redis.call('LLEN', KEYS[1])")([key], []),
    /WRONGTYPE/,
  );
});

test("a server that is away is VIG_REDIS_AWAY, within the bound, and closing works", async () => {
  const url = "redis://127.0.0.1:1";
  const away = openRedis({ url, prefix: "x.", connectionName: "test", log: silentLogger });
  onTestFinished(() => away.close());
  const isAway = (thrown: unknown) =>
    thrown instanceof VigError && thrown.code === "VIG_REDIS_AWAY" && thrown.retry;
  await assert.rejects(away.ping(), isAway);
  await assert.rejects(away.script(SET_IF_GREATER)(["x.k"], [1, 1]), isAway);
});
