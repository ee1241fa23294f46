import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, test } from "vitest";
import { type ForeignEvents, foreignEvents } from "./support/events.ts";
import { type OwnServers, startOwnServers } from "./support/own-servers.ts";
import { openPipeline, type Pipeline, TENANT } from "./support/pipeline.ts";
import { createService, type ServiceProcess } from "./support/processes.ts";
import { until, untilTrue } from "./support/until.ts";

/** Two edges, whose answers are compared with what is known to be true while servers come and go. */

let servers: OwnServers;
let pipeline: Pipeline;
let events: ForeignEvents;
let other: ServiceProcess;
let watch: Watch;

const DEADLINE_MS = 60_000;

beforeAll(async () => {
  servers = await startOwnServers();
  pipeline = await openPipeline(servers);
  events = await foreignEvents(pipeline.producer);
  const directory = join(pipeline.directory, "other-edge");
  mkdirSync(directory);
  const env = { ...pipeline.env, VIGIE_STATE_DIR: directory };
  other = await createService({ name: "edge", env, directory });
  await other.start();
  watch = startWatch([pipeline.service("edge").url, other.url]);
});
afterAll(async () => {
  await watch?.stop().catch(() => undefined);
  await other?.kill();
  await pipeline?.close();
  await servers?.close();
});

const personToken = (userId: string): string =>
  pipeline.token({ sub: userId, sid: `s-${userId}`, user_type: "EXTERNAL" });

/** "active", "inactive", or the code of a refusal to answer. */
async function introspect(url: string, userId: string): Promise<string> {
  const asking = pipeline.token({ sub: "pay", scope: "id:introspect" });
  const response = await fetch(`${url}/oauth2/introspect`, {
    method: "POST",
    headers: { authorization: `Bearer ${asking}` },
    body: new URLSearchParams({ token: personToken(userId) }),
  });
  const said = (await response.json()) as { readonly active?: boolean; readonly code?: string };
  if (said.active === undefined) return said.code ?? `status ${response.status}`;
  return said.active ? "active" : "inactive";
}

interface Watch {
  /** From now on a session of this user must never be called active by any edge. */
  never(userId: string): void;
  /** How often an edge has answered about one of them. */
  readonly asked: number;
  stop(): Promise<void>;
}

function startWatch(urls: readonly string[]): Watch {
  const dead: string[] = [];
  const wrong: string[] = [];
  let asked = 0;
  let stopping = false;
  async function loop(url: string): Promise<void> {
    for (let n = 0; !stopping; n += 1) {
      const userId = dead[n % Math.max(1, dead.length)];
      // An edge that is being started anew does not answer.
      const said = userId === undefined ? null : await introspect(url, userId).catch(() => null);
      if (said === null) await pause(10);
      else asked += 1;
      if (said === "active") wrong.push(String(userId));
    }
  }
  const loops = Promise.all(urls.flatMap((url) => [loop(url), loop(url)]));
  return {
    never: (userId) => void dead.push(userId),
    get asked() {
      return asked;
    },
    async stop() {
      stopping = true;
      await loops;
      assert.deepEqual(wrong, [], "no revoked session is ever called active");
    },
  };
}

const says = (url: string, userId: string, what: string): Promise<void> =>
  untilTrue(
    `${userId} is ${what}`,
    async () => (await introspect(url, userId)) === what,
    DEADLINE_MS,
  );

/** Signs users in and waits until both edges call them active. */
async function signIn(...userIds: readonly string[]): Promise<void> {
  const logins = userIds.map((userId) => events.login({ userId }));
  await pipeline.producer.send("id.login", logins);
  for (const userId of userIds) {
    for (const { url } of [pipeline.service("edge"), other]) await says(url, userId, "active");
  }
}

/** The person revokes their own session by one edge; the other must know. */
async function revoke(userId: string): Promise<void> {
  const { url } = pipeline.service("edge");
  const response = await until(`a revocation of ${userId} is taken`, async () => {
    const answer = await fetch(`${url}/api/id/sessions/s-${userId}/revoke`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${personToken(userId)}`,
        "content-type": "application/json",
      },
      body: "{}",
    });
    return answer.status === 200 ? answer : null;
  });
  await response.arrayBuffer();
  await says(other.url, userId, "inactive");
  watch.never(userId);
}

test("SUB-02, REV-12: what one edge revokes the other calls inactive", async () => {
  await signIn("u-1", "u-2", "u-3", "u-4", "u-5");
  await revoke("u-1");
  assert.equal(await introspect(other.url, "u-2"), "active");
  assert.equal(await introspect(pipeline.service("edge").url, "u-1"), "inactive");
});

test("with Redis stopped PostgreSQL answers; what is revoked meanwhile is dead at once", async () => {
  await servers.stop("redis");
  await says(other.url, "u-2", "active");
  assert.equal(await introspect(other.url, "u-1"), "inactive");
  await revoke("u-2");
  // Nothing of it is in there: it forgets.
  await servers.start("redis");
  await signIn("u-6");
  assert.equal(await introspect(other.url, "u-2"), "inactive");
  await says(other.url, "u-3", "active");
});

test("with PostgreSQL stopped Redis answers; an emptied Redis then leaves nobody to vouch", async () => {
  await servers.stop("postgres");
  await says(other.url, "u-3", "active");
  await revoke("u-3");
  await pipeline.redis.command("FLUSHALL");
  for (const userId of ["u-1", "u-2", "u-3"]) {
    assert.equal(await introspect(other.url, userId), "inactive");
  }
  // Filled again by itself, from the topic.
  await says(other.url, "u-4", "active");
  await servers.start("postgres");
  await signIn("u-7");
});

test("an edge that starts anew knows all revocations before it answers", async () => {
  await servers.stop("redis");
  await other.kill();
  other.launch();
  await untilTrue(
    "it is asked",
    async () => {
      const said = await introspect(other.url, "u-3").catch(() => "not there yet");
      assert.notEqual(said, "active");
      return said === "inactive";
    },
    DEADLINE_MS,
  );
  await other.ready();
  await servers.start("redis");
  await says(other.url, "u-4", "active");
});

test("HBT-01: a person's heartbeat is taken while the session lives, and refused once it is revoked", async () => {
  const { url } = pipeline.service("edge");
  const beat = (userId: string) =>
    fetch(`${url}/api/id/sessions/heartbeat`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${pipeline.token({ sub: userId, sid: `s-${userId}`, user_type: "EXTERNAL" })}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ channel: "MOBILE", tenant_id: TENANT }),
    });
  assert.equal((await beat("u-4")).status, 202);
  const refused = await beat("u-1");
  assert.equal(refused.status, 401);
  assert.equal(((await refused.json()) as { code: string }).code, "VIG_SESSION_ENDED");
});

test("after all of it no revoked session was ever called active", async () => {
  assert.ok(watch.asked > 100, `${watch.asked} answers`);
  await watch.stop();
});
