import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { eventually } from "@vigie/testkit/eventually";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { type Database, openDatabase } from "./database.ts";
import { type Ears, keepListening } from "./listening.ts";

let servers: TestStack;
let database: Database;
const reach = () => ({
  url: servers.postgres,
  applicationName: "test-listening",
  schema: "public",
  statementTimeoutMs: 5_000,
});
beforeAll(async () => {
  servers = await stack();
  database = openDatabase({ ...reach(), poolMax: 2, log: silentLogger });
});
afterAll(async () => {
  await database.close();
  await servers.close();
});

/** Far longer than the test: only a notice or an end wakes who rests. */
const REST_MS = 600_000;

/** Works that rest until they are told; each is one connection. */
function listen(channel: string) {
  const works: { pid: number; ears: Ears; woken: number; isOver: boolean }[] = [];
  const states: boolean[] = [];
  const listening = keepListening({
    database: reach(),
    channel: `'${channel}'`,
    async serve(client, ears) {
      const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() pid");
      const work = { pid: rows[0]?.pid ?? 0, ears, woken: 0, isOver: false };
      works.push(work);
      ears.tellUp();
      while (!ears.stopped) {
        await ears.rest(REST_MS);
        work.woken += 1;
      }
      work.isOver = true;
    },
    stopMaxMs: 1_000,
    interrupted: "test_interrupted",
    log: silentLogger,
    onState: (up) => states.push(up),
  });
  onTestFinished(() => listening.stop());
  return { listening, states, works };
}

const channelOf = (name: string): string => `${name}_${servers.prefix.replace(/\W/g, "_")}`;

test("a notice wakes the work on the connection, and a stop ends it", async () => {
  const channel = channelOf("notice");
  const { listening, works } = listen(channel);
  await eventually(() => assert.equal(works.length, 1));
  await database.query(`notify "${channel}"`);
  await eventually(() => assert.equal(works[0]?.woken, 1));
  await listening.stop();
  assert.equal(works[0]?.isOver, true);
});

test("work on a connection that broke ends at once, and takes no notice from the one that follows it", async () => {
  const channel = channelOf("broken");
  const { states, works } = listen(channel);
  await eventually(() => assert.equal(works.length, 1));
  await database.query("select pg_terminate_backend($1)", [works[0]?.pid]);
  await eventually(() => assert.equal(works.length, 2));
  assert.equal(works[0]?.isOver, true);
  works[0]?.ears.tellUp();
  assert.deepEqual(states, [true, false, true]);
  await database.query(`notify "${channel}"`);
  await eventually(() => assert.equal(works[1]?.woken, 1));
  assert.equal(works[0]?.woken, 1);
});
