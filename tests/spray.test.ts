import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { type ForeignEvents, foreignEvents, MINUTE, PHONE } from "./support/events.ts";
import type { ForeignRecord } from "./support/foreign-producer.ts";
import { openPipeline, type Pipeline, TENANT } from "./support/pipeline.ts";
import { seededRandom } from "./support/random.ts";
import { sessionRow, values } from "./support/read-model.ts";
import { until, untilTrue } from "./support/until.ts";

const FULL = process.env.VIGIE_TEST_FULL === "1";
const KILLS = FULL ? 20 : 4;
const ADDRESSES = KILLS * 40;
/** The policy's default. */
const USERS = 5;
const KILL_AFTER_MAX_MS = 2_500;
const SETTLED_MS = 60_000;

let servers: TestStack;
beforeAll(async () => {
  servers = await stack();
});
afterAll(() => servers.close());

const sprays = async (pipeline: Pipeline): Promise<readonly SessionAnomaly[]> => {
  const all = await values<SessionAnomaly>(pipeline, "id.session.anomaly");
  return all.filter((each) => each?.kind === "credential_spray") as SessionAnomaly[];
};

const ipOf = (address: number): string => `102.89.${address >> 8}.${address & 0xff}`;

interface Login {
  readonly address: number;
  readonly user: string;
  readonly minutesAgo: number;
  readonly isIn?: boolean;
}

const loginOf = (
  make: ForeignEvents,
  { address, user, minutesAgo, isIn = false }: Login,
): ForeignRecord =>
  make.login({
    ...PHONE,
    userId: user,
    kind: isIn ? "AUTH_SUCCESS" : "AUTH_FAIL",
    sessionId: isIn ? `s-${user}` : null,
    eventId: `e-${user}-${isIn ? "in" : "fail"}`,
    ip: ipOf(address),
    occurredAt: Date.now() - minutesAgo * MINUTE,
  });

/** Five users of its own fail from an address. */
const attack = (make: ForeignEvents, address: number): readonly ForeignRecord[] =>
  Array.from({ length: USERS }, (_, n) =>
    loginOf(make, { address, user: `u-${address}-${n}`, minutesAgo: 2 + n }),
  );

test("CNF-13: passwords tried on many users from one address are told of; who gets in then must step up", async () => {
  const pipeline = await openPipeline(servers, ["detector", "sessions", "session-sink"]);
  onTestFinished(() => pipeline.close());
  const make = await foreignEvents(pipeline.producer);
  await pipeline.producer.send("id.login", attack(make, 1));
  const onAddress = await until("the address is told of", async () => (await sprays(pipeline))[0]);
  assert.match(onAddress.user_id, /^ip:[0-9a-f]{64}$/);
  assert.deepEqual(
    [onAddress.tenant_id, onAddress.session_id, onAddress.action, onAddress.mode],
    [TENANT, null, "STEP_UP", "ENFORCE"],
  );

  // Once a worker follows that the address is watched; who came before is not told of: see docs/detection.md.
  let victims = 0;
  const found = await until("a user who got in is told of", async () => {
    victims += 1;
    const victim = { address: 1, user: `victim-${victims}`, minutesAgo: 0, isIn: true };
    await pipeline.producer.send("id.login", [loginOf(make, victim)]);
    return (await sprays(pipeline)).find(({ session_id }) => session_id !== null);
  });
  assert.equal(found.session_id, `s-${found.user_id}`);
  // The hash is the one that the read model has of the address.
  const row = await until("the session is in the read model", () =>
    sessionRow(pipeline, found.session_id ?? ""),
  );
  assert.equal(`ip:${row.ip_address_hash}`, onAddress.user_id);

  const detector = pipeline.service("detector");
  const counted = { kind: "credential_spray" };
  await untilTrue(
    "all of them are counted",
    async () =>
      (await detector.metric("id_anomalies_detected_total", counted)) ===
      (await sprays(pipeline)).length,
  );
  const { code, tookMs } = await detector.terminate();
  assert.equal(code, 0);
  assert.ok(tookMs < 10_000, `SIGTERM drained both processors in ${tookMs} ms`);
});

test(
  `kill -9 ${KILLS} times between login, address and alarm: each address and user is told of once`,
  async () => {
    const seed = Number(process.env.VIGIE_TEST_SEED ?? Date.now() % 1_000_000);
    console.info(`seed ${seed} (VIGIE_TEST_SEED)`);
    const random = seededRandom(seed);
    const pipeline = await openPipeline(servers, ["detector"]);
    onTestFinished(() => pipeline.close());
    const make = await foreignEvents(pipeline.producer);
    const detector = pipeline.service("detector");
    const kill = async (): Promise<void> => {
      await pause(random() * KILL_AFTER_MAX_MS);
      await detector.kill();
      detector.launch();
    };
    const all = Array.from({ length: ADDRESSES }, (_, address) => address);
    /** Some of them, then a kill, and so on to the end. */
    const tormented = async (records: (address: number) => readonly ForeignRecord[]) => {
      const each = ADDRESSES / KILLS;
      for (let round = 0; round < KILLS; round++) {
        const some = all.slice(round * each, (round + 1) * each);
        await pipeline.producer.send("id.login", some.flatMap(records));
        if (round % 2 === 0) await detector.ready();
        await kill();
      }
      await detector.ready();
    };

    await tormented((address) => attack(make, address));
    const expected = async (count: number): Promise<readonly SessionAnomaly[]> => {
      const deadlineMs = SETTLED_MS;
      await untilTrue(
        `${count} are told of`,
        async () => (await sprays(pipeline)).length >= count,
        deadlineMs,
      );
      const found = await sprays(pipeline);
      assert.equal(new Set(found.map(({ anomaly_id }) => anomaly_id)).size, found.length);
      assert.equal(found.length, count);
      return found;
    };
    const addresses = await expected(ADDRESSES);
    assert.equal(new Set(addresses.map(({ user_id }) => user_id)).size, ADDRESSES);

    // By now every address is watched; so each success counts, whatever is killed.
    await tormented((address) => [
      loginOf(make, { address, user: `v-${address}`, minutesAgo: 0, isIn: true }),
    ]);
    const users = (await expected(2 * ADDRESSES)).filter(({ session_id }) => session_id !== null);
    assert.deepEqual(
      users.map(({ user_id }) => user_id).sort(),
      all.map((address) => `v-${address}`).sort(),
    );
  },
  FULL ? 900_000 : 240_000,
);
