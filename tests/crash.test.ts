import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { SessionAnomaly, SessionState } from "@vigie/schemas/types";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { crashWorkload, type Workload } from "./support/crash-workload.ts";
import { foreignEvents } from "./support/events.ts";
import { openPipeline, type Pipeline } from "./support/pipeline.ts";
import type { ServiceName } from "./support/processes.ts";
import { seededRandom } from "./support/random.ts";
import { count, liveness, values } from "./support/read-model.ts";
import { untilTrue } from "./support/until.ts";

const FULL = process.env.VIGIE_TEST_FULL === "1";
const KILLS = FULL ? 20 : 3;
/** Enough that events still come in when the last kill has happened. */
const USERS = KILLS * 250;
/** A start takes some 2 s here, so kills fall into starting, restoring and working alike. */
const KILL_AFTER_MAX_MS = 4_000;
const QUIET_MS = 120_000;

let servers: TestStack;
beforeAll(async () => {
  servers = await stack();
});
afterAll(() => servers.close());

/** All anomalies, without the time of their detection, in an order of their own. */
async function anomaliesOf(pipeline: Pipeline): Promise<string[]> {
  const found = await values<SessionAnomaly>(pipeline, "id.session.anomaly");
  return found.map((each) => JSON.stringify({ ...each, detected_at: 0 })).sort();
}

async function undisturbed(atMs: number): Promise<string[]> {
  const pipeline = await openPipeline(servers, ["detector"]);
  try {
    const workload = crashWorkload(await foreignEvents(pipeline.producer), USERS, atMs);
    for (const { topic, records } of workload.batches) await pipeline.producer.send(topic, records);
    await allRead(pipeline, "detector", workload.events);
    return await anomaliesOf(pipeline);
  } finally {
    await pipeline.close();
  }
}

/** Every record of the inputs has its fate, committed: counted from what the group has committed. */
const allRead = (pipeline: Pipeline, name: ServiceName, events: number): Promise<void> =>
  untilTrue(
    `${name} has read it all`,
    async () => {
      const committed = await pipeline.reader.committed(`vigie.${name}`, [
        "id.login",
        "id.heartbeat",
        "id.mfa",
      ]);
      assert.ok(committed <= events);
      return committed === events;
    },
    QUIET_MS,
  );

/** Kills a service again and again, at moments that the seed decides, and starts it again at once. */
async function torment(pipeline: Pipeline, name: ServiceName, random: () => number): Promise<void> {
  const service = pipeline.service(name);
  for (let kill = 0; kill < KILLS; kill += 1) {
    await pause(random() * KILL_AFTER_MAX_MS);
    await service.kill();
    service.launch();
  }
  await service.ready();
}

const victims: readonly ServiceName[] = ["detector", "sessions", "session-sink", "session-cache"];

test(
  `kill -9 of detector, sessions and sinks ${KILLS} times each under load: nothing is lost, nothing comes twice`,
  async () => {
    const atMs = Date.now();
    const seed = Number(process.env.VIGIE_TEST_SEED ?? atMs % 1_000_000);
    console.info(`seed ${seed} (VIGIE_TEST_SEED)`);
    const expected = await undisturbed(atMs);

    const pipeline = await openPipeline(servers, victims);
    onTestFinished(() => pipeline.close());
    const workload = crashWorkload(await foreignEvents(pipeline.producer), USERS, atMs);
    assert.equal(expected.length, workload.anomalies);
    let tormented = false;
    const killing = Promise.all(
      victims.map((name, n) => torment(pipeline, name, seededRandom(seed + n))),
    ).finally(() => {
      tormented = true;
    });
    let sent = 0;
    for (const { topic, records } of workload.batches) {
      await pipeline.producer.send(topic, records);
      sent += 1;
      // As slowly as the kills go on, and at full speed afterwards.
      const left = workload.batches.length - sent;
      if (!tormented && left > 0)
        await pause((KILLS * KILL_AFTER_MAX_MS) / 2 / workload.batches.length);
    }
    await killing;
    await allRead(pipeline, "detector", workload.events);
    await allRead(pipeline, "sessions", workload.events);

    assert.deepEqual(await anomaliesOf(pipeline), expected);
    await statesAre(pipeline, workload);
    await storesAre(pipeline, workload);
  },
  FULL ? 900_000 : 300_000,
);

/** The topic: each session once active, and ended once if it logged out; versions grow. */
async function statesAre(pipeline: Pipeline, { sessions }: Workload): Promise<void> {
  const last = new Map<string, SessionState>();
  for (const state of await values<SessionState>(pipeline, "id.session.state")) {
    assert.ok(state !== null);
    const before = last.get(state.session_id);
    assert.ok(before === undefined || before.version < state.version, "versions grow");
    assert.ok(before === undefined || before.status === "ACTIVE", "an ended session stays ended");
    last.set(state.session_id, state);
  }
  const statuses = new Map([...last].map(([id, { status }]) => [id, status]));
  assert.deepEqual(new Map([...statuses].sort()), new Map([...sessions].sort()));
}

/** PostgreSQL and Redis hold the same, every event once. */
async function storesAre(pipeline: Pipeline, workload: Workload): Promise<void> {
  const loggedOut = [...workload.sessions.values()].filter((status) => status !== "ACTIVE").length;
  const active = workload.sessions.size - loggedOut;
  await untilTrue(
    "the read model has it all",
    async () =>
      (await count(pipeline, "sessions where is_active")) === active &&
      (await count(pipeline, "sessions where status = 'LOGGED_OUT'")) === loggedOut &&
      (await count(pipeline, "session_anomalies")) === workload.anomalies &&
      (await count(pipeline, "session_activities where activity_type <> 'anomaly'")) ===
        workload.events,
    QUIET_MS,
  );
  for (const [id, status] of workload.sessions) {
    await untilTrue(`${id} is so in Redis`, async () => {
      const { kind } = await liveness(pipeline, id.replace("s-", "u-"), id);
      return kind === (status === "ACTIVE" ? "live" : "ended");
    });
  }
}
