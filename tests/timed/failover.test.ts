import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { openRedis } from "@vigie/service-kit/redis/redis";
import { layoutOf } from "@vigie/service-kit/sessions/layout";
import { afterAll, beforeAll, onTestFinished, test, vi } from "vitest";
import { type OwnServers, startOwnServers } from "../support/own-servers.ts";
import { inRedis } from "../support/read-model.ts";
import { type RedisNode, type RedisPair, startRedisPair } from "../support/redis-pair.ts";
import { DEADLINE_MS, startTwoEdges, type TwoEdges } from "../support/two-edges.ts";
import { untilTrue } from "../support/until.ts";

/** Redis with a replica that takes its place under load, in step with it or behind. */

let servers: OwnServers;
let pair: RedisPair;
let edges: TwoEdges;

const ROUNDS = process.env.VIGIE_TEST_FULL === "1" ? 5 : 1;
const UNSURE = "VIG_SESSION_STATE_UNKNOWN";

// The longest test takes a minute a round.
vi.setConfig({ testTimeout: ROUNDS * 180_000 });

beforeAll(async () => {
  servers = await startOwnServers();
  pair = await startRedisPair(servers);
  edges = await startTwoEdges({ ...servers, redis: pair.url });
});
afterAll(async () => {
  await edges?.close();
  await pair?.close();
  await servers?.close();
});

const rounds = async (act: (round: number) => Promise<void>): Promise<void> => {
  for (let round = 0; round < ROUNDS; round += 1) await act(round);
};

/** All that one Redis of the pair holds. */
function holding({ url }: RedisNode) {
  const { prefix } = edges.pipeline;
  const redis = openRedis({ url, prefix, connectionName: "vigie-e2e", log: silentLogger });
  onTestFinished(() => redis.close());
  return {
    session: (userId: string) => inRedis({ redis }, userId, `s-${userId}`),
    /** Records of id.session.state that it has taken. */
    async taken(): Promise<number> {
      const offsets = (await redis.command("HVALS", layoutOf(redis.key).progress)) as string[];
      return offsets.reduce((sum, offset) => sum + Number(offset), 0);
    },
  };
}

/** Both edges say this of all of them. */
async function areAll(users: readonly string[], what: string): Promise<void> {
  const asked = [edges.first, edges.other].flatMap(({ url }) =>
    users.map((userId) => edges.says(url, { userId }, what)),
  );
  await Promise.all(asked);
}

async function send(users: readonly string[], kind: "AUTH_SUCCESS" | "LOGOUT"): Promise<void> {
  const { events, pipeline } = edges;
  await pipeline.producer.send(
    "id.login",
    users.map((userId) => events.login({ userId, kind })),
  );
}

async function revoke(userId: string): Promise<void> {
  const { pipeline, first } = edges;
  const response = await fetch(`${first.url}/api/id/admin/sessions/revoke`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${pipeline.token({ sub: "console", scope: "id:admin" })}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ filter: { user_id: userId, session_id: `s-${userId}` } }),
  });
  assert.equal(response.status, 200, await response.text());
}

test("a replica that is in step takes the place of a primary that dies", () =>
  rounds(async () => {
    await edges.goesOn();
    await pair.failOver();
    await edges.answers(200);
    await edges.recovers("failed over");
    await pair.readmit();
  }));

test("in maintenance the two change places, and writes follow to the one that takes them", () =>
  rounds(async () => {
    await pair.changePlaces();
    await edges.recovers("places changed");
    const [userId = ""] = [...edges.stream.spared].slice(-1);
    const { session } = holding(pair.primary);
    await untilTrue(
      "it is filled on",
      async () => (await session(userId)) === "active",
      DEADLINE_MS,
    );
  }));

/** People whose sessions end, one half by signing out and the other by revocation, once the replica is cut off. */
async function endUnseen(round: number): Promise<readonly string[]> {
  const users = Array.from({ length: 12 }, (_, n) => `unseen-${round}-${n}`);
  await send(users, "AUTH_SUCCESS");
  await areAll(users, "active");
  const standby = holding(pair.standby);
  for (const userId of users) {
    await untilTrue("the replica has it", async () => (await standby.session(userId)) === "active");
  }
  pair.cutReplication();
  await send(users.slice(6), "LOGOUT");
  await Promise.all(users.slice(0, 6).map(revoke));
  await areAll(users, "inactive");
  const primary = holding(pair.primary);
  for (const userId of users) {
    await untilTrue("the primary has it", async () => (await primary.session(userId)) === "ended");
    assert.equal(await standby.session(userId), "active", "the replica knows nothing of the end");
  }
  console.info(`${(await primary.taken()) - (await standby.taken())} records are lost with it`);
  return users;
}

test("a replica that lags brings back no session whose end was lost with the primary, nor to an edge that starts anew", () =>
  rounds(async (round) => {
    const ended = await endUnseen(round);
    for (const userId of ended) edges.watch.revoked(userId);
    const [spared = ""] = edges.stream.spared;
    const cache = edges.pipeline.service("session-cache");
    // Nobody fills what takes over, so that all it knows is old.
    await cache.kill();
    await pair.failOver();
    await edges.answers(400);
    await edges.other.kill();
    await edges.other.start();
    await edges.answers(400);
    await areAll([spared], "active");
    await servers.stop("postgres");
    try {
      // Nor does it vouch for anybody when there is nobody else to ask.
      await areAll([spared], UNSURE);
      for (const { url } of [edges.first, edges.other]) {
        for (let n = 0; n < 50; n += 1) {
          assert.equal(await edges.introspection.introspect(url, { userId: spared }), UNSURE);
        }
      }
      await edges.answers(400);
    } finally {
      await servers.start("postgres");
    }
    await cache.start();
    await edges.recovers("failed over to a replica that lagged");
    const { session } = holding(pair.primary);
    for (const userId of ended) {
      await untilTrue("its end is back", async () => (await session(userId)) === "ended");
    }
    await pair.readmit();
  }));

test("after all of it no ended session was ever called active", async () => {
  await edges.stream.stop();
  const { asked, wrong } = await edges.watch.stop();
  assert.ok(asked > 1_000, `${asked} answers`);
  assert.deepEqual(wrong, []);
  assert.equal(edges.stream.statuses.get(500), undefined);
});
