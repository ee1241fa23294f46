import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DAY_MS } from "@vigie/core/time";
import { tinyMmdb } from "@vigie/geoip/tiny-mmdb";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { foreignEvents, MINUTE } from "./support/events.ts";
import { openPipeline, type Pipeline } from "./support/pipeline.ts";
import { values } from "./support/read-model.ts";
import { until, untilTrue } from "./support/until.ts";

let servers: TestStack;
let folder: string;
beforeAll(async () => {
  servers = await stack();
  folder = mkdtempSync(join(tmpdir(), "vigie-retraction-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await servers.close();
});

const dakar = { latitude: 14.69, longitude: -17.44, country: "SN" } as const;
const paris = { latitude: 48.85, longitude: 2.35, country: "FR" } as const;

/** Puts a database of two networks in place, whole or not at all. */
function place(file: string, second: typeof dakar | typeof paris, builtAtMs = Date.now()): void {
  const networks = [
    { octet: 41, at: dakar },
    { octet: 90, at: second },
  ].map(({ octet, at: { country, latitude, longitude } }) => ({
    prefix: octet.toString(2).padStart(8, "0"),
    record: {
      country: { iso_code: country },
      location: { latitude, longitude, accuracy_radius: 20 },
    },
  }));
  writeFileSync(`${file}.new`, tinyMmdb(networks, { builtAtMs }));
  renameSync(`${file}.new`, file);
}

const trips = async (pipeline: Pipeline): Promise<readonly SessionAnomaly[]> => {
  const all = await values<SessionAnomaly>(pipeline, "id.session.anomaly");
  return all.filter((each) => each?.kind === "impossible_travel") as SessionAnomaly[];
};

/** A file is looked at every 10 s; the workers are given 5 s; the rest is reading and writing. */
const NOTICED_MS = 60_000;

test("a trip that a replaced GeoIP file contradicts is withdrawn, whether the detector runs or not", async () => {
  const file = join(folder, "city.mmdb");
  place(file, paris, Date.now() - 9 * DAY_MS);
  const pipeline = await openPipeline(servers, ["detector"], { GEOIP_CITY_DB: file });
  onTestFinished(() => pipeline.close());
  const detector = pipeline.service("detector");
  const make = await foreignEvents(pipeline.producer);
  async function travel(userId: string): Promise<SessionAnomaly> {
    const from = { userId, ip: "41.1.1.1", occurredAt: Date.now() - 30 * MINUTE };
    const to = { userId, ip: "90.1.1.1", occurredAt: Date.now() - MINUTE };
    await pipeline.producer.send("id.login", [make.login(from), make.login(to)]);
    return until(`${userId} is found travelling`, async () =>
      (await trips(pipeline)).find(({ user_id }) => user_id === userId),
    );
  }
  const withdrawn = (alarm: SessionAnomaly): Promise<SessionAnomaly> =>
    until(
      "the anomaly is withdrawn",
      async () =>
        (await trips(pipeline)).find(({ retracts }) => retracts === alarm.anomaly_id) ?? null,
      NOTICED_MS,
    );

  const cityAgeDays = async (): Promise<number> =>
    (await detector.metric("geoip_database_age_seconds", { database: "city" })) / (DAY_MS / 1_000);
  assert.equal(Math.floor(await cityAgeDays()), 9);
  const first = await travel("person-1");
  // The data it was judged by is noted; otherwise nobody could tell that it changed.
  await untilTrue("the data is noted", () => detector.output().includes('"event":"geoip_noted"'));
  await detector.terminate();
  place(file, dakar);
  await detector.start();
  const retraction = await withdrawn(first);
  assert.equal(retraction.user_id, "person-1");
  assert.equal(retraction.session_id, first.session_id);
  assert.equal(retraction.action, "LOG_ONLY");
  await untilTrue("it is counted", async () => {
    const contradicted = { verdict: "contradicted" };
    return (await detector.metric("vigie_rechecked_anomalies_total", contradicted)) === 1;
  });

  place(file, paris);
  await untilTrue(
    "the detector has the other file",
    () => detector.output().split('"event":"geoip_rechecked"').length === 3,
    NOTICED_MS,
  );
  assert.equal(Math.floor(await cityAgeDays()), 0);
  const second = await travel("person-2");
  place(file, dakar);
  await withdrawn(second);
  assert.equal((await trips(pipeline)).length, 4);
  assert.doesNotMatch(detector.output(), /person-[12]|41\.1\.1\.1|90\.1\.1\.1/);
});
