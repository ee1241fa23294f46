import { randomUUID } from "node:crypto";
import { silentLogger } from "@vigie/core/log";
import { stack } from "@vigie/testkit/stack";
import { afterAll, beforeAll } from "vitest";
import { openRedis, type RedisStore } from "../redis/redis.ts";
import { debtBookSuite } from "./shared-limit.suite.ts";
import { redisDebtBook } from "./shared-limit.ts";

let redis: RedisStore;
let closeStack: () => Promise<void>;
let prefix: string;
let url: string;
const opened: RedisStore[] = [];

beforeAll(async () => {
  const servers = await stack();
  ({ prefix, redis: url, close: closeStack } = servers);
});
afterAll(async () => {
  await Promise.all(opened.map((store) => store.close()));
  await closeStack();
});

debtBookSuite("redis", async () => {
  // Keys of one test must not meet those of the next.
  const own = `${prefix}${randomUUID()}.`;
  redis = openRedis({ url, prefix: own, connectionName: "test", log: silentLogger });
  opened.push(redis);
  return { book: redisDebtBook(redis), clock: Date.now };
});
