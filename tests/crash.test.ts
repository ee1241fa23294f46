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
import { count, inRedis, values } from "./support/read-model.ts";
import { untilTrue } from "./support/until.ts";

const FULL = process.env.VIGIE_TEST_FULL === "1";
const KILLS = FULL ? 20 : 3;
const USERS = KILLS * 250;
/** A start takes some 2 s, so these kills fall into all of it. */
const KILL_STARTING_MAX_MS = 3_000;
const KILL_WORKING_MAX_MS = 1_500;
/** Of one kill and the start after it, so that the load lasts as long as the kills do. */
const KILL_TAKES_MS = 3_000;
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

/** Records of the inputs that have their fate, by what the group has committed. */
const committed = (pipeline: Pipeline, name: ServiceName): Promise<number> =>
  pipeline.reader.committed(`vigie.${name}`, ["id.login", "id.heartbeat", "id.mfa"]);

const allRead = (pipeline: Pipeline, name: ServiceName, events: number): Promise<void> =>
  untilTrue(
    `${name} has read it all`,
    async () => (await committed(pipeline, name)) === events,
    QUIET_MS,
  );

/**
 * Kills a service again and again, at moments that the seed decides, and starts it again at once: every other time
 * while it starts and restores, every other time while it works. Before each kill it waits for `look`.
 */
async function torment(
  pipeline: Pipeline,
  name: ServiceName,
  random: () => number,
  look: () => Promise<unknown> = async () => {},
): Promise<void> {
  const service = pipeline.service(name);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const isWorking = kill % 2 === 0;
    if (isWorking) await service.ready();
    await pause(random() * (isWorking ? KILL_WORKING_MAX_MS : KILL_STARTING_MAX_MS));
    await look();
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
    const progress: number[] = [];
    const look = () =>
      untilTrue("the detector works", async () => {
        const read = await committed(pipeline, "detector");
        if (read > 0) progress.push(read);
        return read > 0;
      });
    const killing = Promise.all(
      victims.map((name, n) =>
        torment(pipeline, name, seededRandom(seed + n), name === "detector" ? look : undefined),
      ),
    );
    const [last, ...others] = workload.batches.toReversed();
    for (const { topic, records } of others.toReversed()) {
      await pipeline.producer.send(topic, records);
      await pause((KILLS * KILL_TAKES_MS) / workload.batches.length);
    }
    await killing;
    // However fast they are, something is left to be done when they have been killed.
    assert.ok(last);
    await pipeline.producer.send(last.topic, last.records);
    console.info(`the detector was killed at ${progress.join(", ")} of ${workload.events} events`);
    assert.equal(progress.length, KILLS);
    assert.ok(
      progress.every((read) => read < workload.events),
      "it was killed at work",
    );
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
      const kind = await inRedis(pipeline, id.replace("s-", "u-"), id);
      return kind === (status === "ACTIVE" ? "active" : "ended");
    });
  }
}
