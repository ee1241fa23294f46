import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, test, vi } from "vitest";
import type { Who } from "../support/introspection.ts";
import { mostAtOnce, watchLives } from "../support/lives.ts";
import { type OwnServers, type ServerName, startOwnServers } from "../support/own-servers.ts";
import { TENANT } from "../support/pipeline.ts";
import { count, inRedis } from "../support/read-model.ts";
import { DEADLINE_MS, startTwoEdges, type TwoEdges } from "../support/two-edges.ts";
import { untilTrue } from "../support/until.ts";

let servers: OwnServers;
let edges: TwoEdges;

/** Source: the default policy, max_concurrent_sessions. */
const MAX_SESSIONS = 5;
const LOGINS = 200;
const UNSURE = "VIG_SESSION_STATE_UNKNOWN";
const ROUNDS = process.env.VIGIE_TEST_FULL === "1" ? 5 : 1;

// The longest test takes a minute a round.
vi.setConfig({ testTimeout: ROUNDS * 180_000 });

beforeAll(async () => {
  servers = await startOwnServers();
  edges = await startTwoEdges(servers);
});
afterAll(async () => {
  await edges?.close();
  await servers?.close();
});

/** Does it with these servers stopped. */
async function without(names: readonly ServerName[], act: () => Promise<void>): Promise<void> {
  await Promise.all(names.map((name) => servers.stop(name)));
  try {
    await act();
  } finally {
    await Promise.all(names.map((name) => servers.start(name)));
  }
}

const rounds = async (act: () => Promise<void>): Promise<void> => {
  for (let round = 0; round < ROUNDS; round += 1) await act();
};

test("SUB-02, REV-12: what one edge revokes the other calls inactive", () =>
  edges.recovers("a start"));

test("a Redis that is emptied under load fills itself again", () =>
  rounds(async () => {
    await edges.pipeline.redis.command("FLUSHALL");
    await edges.answers(200);
    await edges.recovers("Redis emptied");
  }));

test("with Redis stopped PostgreSQL answers; what is revoked meanwhile is dead at once", () =>
  rounds(async () => {
    await without(["redis"], edges.goesOn);
    // It has forgotten everything.
    await edges.recovers("Redis stopped");
  }));

test("with PostgreSQL stopped Redis answers, and fills itself again when it is emptied", () =>
  rounds(async () => {
    await without(["postgres"], async () => {
      await edges.goesOn();
      await edges.pipeline.redis.command("FLUSHALL");
      await edges.goesOn();
    });
    await edges.recovers("PostgreSQL stopped");
  }));

test("a Redis that is emptied while the broker is stopped fills itself once that is back", () =>
  rounds(async () => {
    const cache = edges.pipeline.service("session-cache");
    const [userId = ""] = edges.stream.spared;
    await without(["kafka"], async () => {
      await edges.pipeline.redis.command("FLUSHALL");
      await untilTrue(
        "the cache begins anew",
        () => cache.output().includes("cache.begins_anew"),
        DEADLINE_MS,
      );
      await edges.says(edges.first.url, { userId }, UNSURE);
    });
    await untilTrue(
      "it is filled",
      async () => (await inRedis(edges.pipeline, userId, `s-${userId}`)) === "active",
      DEADLINE_MS,
    );
    await edges.recovers("the broker stopped");
  }));

test("with both stopped nobody vouches for a life, and an end stays one", () =>
  rounds(async () => {
    await edges.sparedAreActive();
    const [userId = ""] = edges.stream.spared;
    await without(["redis", "postgres"], async () => {
      for (const { url } of [edges.first, edges.other]) {
        await edges.says(url, { userId }, UNSURE);
      }
      await edges.answers(200);
    });
    await edges.recovers("both stopped");
  }));

test("an edge that starts anew without Redis knows all revocations before it answers", () =>
  rounds(async () => {
    await without(["redis"], async () => {
      await edges.other.kill();
      await edges.other.start();
      await edges.answers(200);
    });
    await edges.recovers("edge killed");
  }));

test("HBT-01: a person's heartbeat is taken while the session lives, and refused once it is revoked", async () => {
  const beat = async (userId = "") => {
    const response = await fetch(`${edges.other.url}/api/id/sessions/heartbeat`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${edges.introspection.tokenOf({ userId })}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ channel: "MOBILE", tenant_id: TENANT }),
    });
    return { status: response.status, body: (await response.json()) as { readonly code?: string } };
  };
  const [spared] = edges.stream.spared;
  assert.equal((await beat(spared)).status, 202);
  const [revoked] = edges.stream.revoked;
  const refused = await beat(revoked);
  assert.deepEqual([refused.status, refused.body.code], [401, "VIG_SESSION_ENDED"]);
});

/** A login by HTTP, as its trusted service sends it. */
async function signInByHttp({ userId, sessionId, tenantId = TENANT }: Who, occurredAt: number) {
  const response = await fetch(`${edges.first.url}/v1/events/login`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${edges.pipeline.token({ tenant_id: tenantId })}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({
      user_id: userId,
      session_id: sessionId ?? `s-${userId}`,
      occurred_at: occurredAt,
      kind: "AUTH_SUCCESS",
      channel: "MOBILE",
    }),
  });
  assert.equal(response.status, 202, await response.text());
}

/** 200 logins of one user, by so many clients; others than the newest 5 may be active for `lastMaxMs` after the last one. */
async function signInManyTimes(clients: number, lastMaxMs: number): Promise<void> {
  const userId = `u-${randomUUID()}`;
  const all = Array.from({ length: LOGINS }, (_, n) => ({
    userId,
    sessionId: `${userId}-${n}`,
  }));
  const bornMs = Date.now() - LOGINS;
  let begun = 0;
  const asking = { introspect: edges.introspection.introspect, begun: () => begun };
  const watched = [edges.first, edges.other].map(({ url }) => watchLives(url, all, asking));
  const client = async (): Promise<void> => {
    for (let n = begun++; n < LOGINS; n = begun++) {
      const who = { userId, sessionId: `${userId}-${n}` };
      const occurredAt = bornMs + n;
      if (n % 2 === 0) await signInByHttp(who, occurredAt);
      else
        await edges.pipeline.producer.send("id.login", [
          edges.events.login({ ...who, occurredAt }),
        ]);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  begun = LOGINS;
  const signedInMs = performance.now();
  const newest = all.slice(-MAX_SESSIONS);
  for (const { url } of [edges.first, edges.other]) {
    await Promise.all(newest.map((who) => edges.says(url, who, "active")));
  }
  // Rounds in which any other would be found.
  for (const each of watched) {
    const before = each.rounds;
    await untilTrue("all are asked again", () => each.rounds > before + 1, DEADLINE_MS);
  }
  await Promise.all(watched.map((each) => each.stop()));
  for (const { lives, risen, rounds: asked } of watched) {
    const most = mostAtOnce(lives.values());
    const older = [...lives].filter(([place]) => place < LOGINS - MAX_SESSIONS);
    const lastMs = Math.max(0, ...older.map(([, { toMs }]) => toMs - signedInMs));
    console.info(
      `${most} active at once; ${lives.size} seen active, in ${asked} rounds; ` +
        `none but the newest 5 from ${lastMs.toFixed(0)} ms after the last login`,
    );
    assert.ok(most <= MAX_SESSIONS, `${most} were active at once`);
    assert.deepEqual([...risen], [], "none lives again");
    assert.ok(lastMs < lastMaxMs, `one too many was active ${lastMs} ms after the last login`);
  }
  await untilTrue(
    "5 are stored as active",
    async () =>
      (await count(edges.pipeline, "sessions where user_key = $1 and is_active", [userId])) ===
      MAX_SESSIONS,
    DEADLINE_MS,
  );
}

test("POL-10: of 200 logins of one user, beside other traffic, no edge calls more than 5 active at any instant", () =>
  rounds(() => signInManyTimes(LOGINS, DEADLINE_MS)));

test("the traffic that went on beside all this ends, with every revocation it was answered", async () => {
  await edges.stream.stop();
  assert.equal(edges.stream.statuses.get(500), undefined);
});

// From here on nothing else is under way: what is timed is these logins, not how a broker shares two cores.
test.each([
  ["by 10 clients, one after another", 10],
  ["at once", LOGINS],
])(
  "POL-10: of 200 logins of one user, %s, no edge calls more than 5 active at any instant, nor others a second later",
  (_, clients) => rounds(() => signInManyTimes(clients, 1_000)),
);

test("REV-03, REV-12: a tenant that is signed out is signed out everywhere, and nobody else is", async () => {
  const sessionsOf = (tenantId: string): Who[] =>
    Array.from({ length: 20 }, (_, n) => ({ tenantId, userId: `u-${n}` }));
  const left = sessionsOf("tenant-left");
  const stays = sessionsOf("tenant-stays");
  const areAll = (whose: readonly Who[], what: string) =>
    Promise.all(
      [edges.first, edges.other].flatMap(({ url }) =>
        whose.map((who) => edges.says(url, who, what)),
      ),
    );
  await Promise.all([...left, ...stays].map((who) => signInByHttp(who, Date.now())));
  await areAll([...left, ...stays], "active");
  const claims = { sub: "console", tenant_id: "tenant-left", scope: "id:admin" };
  const response = await fetch(`${edges.first.url}/api/id/admin/sessions/revoke`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${edges.pipeline.token(claims)}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ filter: { tenant_id: "tenant-left" }, reason: "breach" }),
  });
  assert.equal(response.status, 200, await response.text());
  const answeredMs = performance.now();
  await areAll(left, "inactive");
  const tookMs = performance.now() - answeredMs;
  console.info(`a tenant is signed out at both edges ${tookMs.toFixed(0)} ms after the answer`);
  await areAll(stays, "active");
  await edges.sparedAreActive();
  await untilTrue(
    "it is stored",
    async () =>
      (await count(
        edges.pipeline,
        "user_sessions where tenant_key = 'tenant-left' and is_active",
      )) === 0,
    DEADLINE_MS,
  );
  assert.ok(tookMs < 1_000, `${tookMs} ms`);
});

test("after all of it no revoked session was ever called active", async () => {
  const { asked, wrong } = await edges.watch.stop();
  assert.ok(asked > 1_000, `${asked} answers`);
  assert.deepEqual(wrong, []);
});
