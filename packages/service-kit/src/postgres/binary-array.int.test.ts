import { silentLogger } from "@vigie/core/log";
import { stack } from "@vigie/testkit/stack";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bigintArray, byteaArray, textArray, uuidArray } from "./binary-array.ts";
import { type Database, openDatabase } from "./database.ts";

let servers: Awaited<ReturnType<typeof stack>>;
let database: Database;

beforeAll(async () => {
  servers = await stack();
  database = openDatabase({
    url: servers.postgres,
    schema: "public",
    applicationName: "test",
    statementTimeoutMs: 10_000,
    poolMax: 1,
    log: silentLogger,
  });
});
afterAll(async () => {
  await database.close();
  await servers.close();
});

/** What PostgreSQL makes of an array. */
async function read(type: string, array: Buffer): Promise<readonly unknown[]> {
  const { rows } = await database.query<{ item: unknown }>(
    `select item from unnest($1::${type}[]) with ordinality as given (item, place) order by place`,
    [array],
  );
  return rows.map(({ item }) => item);
}

const RUNS = { numRuns: 30 };

test("PostgreSQL reads arrays as they were written, the empty one as well", async () => {
  const bytes = fc.uint8Array().map((item) => Buffer.from(item));
  const text = fc.string({ unit: "grapheme" }).map((item) => item.replaceAll("\0", ""));
  await fc.assert(
    fc.asyncProperty(fc.array(bytes), async (items) => {
      expect(await read("bytea", byteaArray(items))).toEqual(items);
    }),
    RUNS,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(text), async (items) => {
      expect(await read("text", textArray(items))).toEqual(items);
    }),
    RUNS,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uuid()), async (items) => {
      expect(await read("uuid", uuidArray(items))).toEqual(items);
    }),
    RUNS,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.maxSafeInteger()), async (items) => {
      expect(await read("bigint", bigintArray(items))).toEqual(items);
    }),
    RUNS,
  );
});
