import { expect, test } from "vitest";
import { freshPrefix } from "./stack.ts";
import { parseServers } from "./stack-servers.ts";

const servers = {
  kafka: "127.0.0.1:9092",
  registry: "http://127.0.0.1:8081/apis/ccompat/v7",
  postgres: "postgres://vigie@127.0.0.1:5432/vigie",
  redis: "redis://127.0.0.1:6379",
};

test("the four addresses are read from JSON, and nothing else is taken over", () => {
  expect(parseServers(JSON.stringify({ ...servers, edge: "http://127.0.0.1:3034" }))).toEqual(
    servers,
  );
});

test("a missing address is named", () => {
  const { redis: _, ...three } = servers;
  expect(() => parseServers(JSON.stringify(three))).toThrow(/name redis/);
});

test("two test files never share a prefix", () => {
  const prefixes = new Set(Array.from({ length: 1_000 }, freshPrefix));
  expect(prefixes.size).toBe(1_000);
  for (const prefix of prefixes) expect(prefix).toMatch(/^t[0-9a-f]{10}\.$/);
});
