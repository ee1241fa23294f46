import assert from "node:assert/strict";
import { describe, onTestFinished, test } from "vitest";
import { NOW, testSink } from "./test-sink.ts";
import { anomaly } from "./testing.ts";

const at = await testSink();

type Over = Parameters<typeof anomaly>[1];
const found = (over?: Over) => at.maker.record("id.session.anomaly", anomaly(NOW, over));
const withdrawn = (over?: Over) =>
  found({ anomaly_id: "w-1", retracts: "a-1", detected_at: NOW + 9, ...over });

const ANOMALIES = `
  select user_key, anomaly_id, retracted_by, retracted_at from session_anomalies order by 1, 2`;
const EVENTS = "select origin_id, retracted_at from session_security_events order by 1";
const marked = { retracted_by: "w-1", retracted_at: new Date(NOW + 9) };
const unmarked = { retracted_by: null, retracted_at: null };
const isMarked = async () => {
  assert.deepEqual(await at.rows(ANOMALIES), [{ user_key: "u-1", anomaly_id: "a-1", ...marked }]);
  assert.deepEqual(await at.rows(EVENTS), [{ origin_id: "a-1", retracted_at: new Date(NOW + 9) }]);
};

describe("ANO-17: a retraction marks the anomaly and its security event", () => {
  test("when it comes after them", async () => {
    await at.write([found()]);
    await at.write([withdrawn()]);
    await isMarked();
    const evidence = { speed_kmh: "8400", to_country: "FR" };
    assert.deepEqual(await at.rows("select evidence from session_anomalies"), [{ evidence }]);
  });

  test("when it comes before them", async () => {
    await at.write([withdrawn()]);
    assert.deepEqual(await at.rows(ANOMALIES), []);
    await at.write([found()]);
    await isMarked();
  });

  test("when they come together, in either order, and again", async () => {
    for (const records of [
      [found(), withdrawn()],
      [withdrawn(), found()],
    ]) {
      await at.reset();
      await at.write(records);
      await isMarked();
      await at.write([withdrawn(), found(), withdrawn({ anomaly_id: "w-2", detected_at: NOW })]);
      await isMarked();
    }
  });
});

test("a retraction is no anomaly, no activity, no security event and no alarm in the metrics", async () => {
  await at.write([withdrawn()]);
  for (const table of ["session_anomalies", "session_activities", "session_security_events"]) {
    assert.deepEqual(await at.rows(`select 1 from ${table}`), [], table);
  }
  assert.deepEqual([...(at.told.at(-1)?.rows.anomalies ?? [])], []);
});

test("TEN-01: only its own user of its own tenant withdraws an anomaly, before and after it", async () => {
  const strangers: Over[] = [{ user_id: "u-2" }, { tenant_id: "molam-ci" }];
  await at.write(strangers.map(withdrawn));
  await at.write([found(), found({ tenant_id: "molam-ci", user_id: "u-3" })]);
  await at.write(strangers.map((over) => withdrawn({ ...over, anomaly_id: "w-9" })));
  assert.deepEqual(await at.rows(ANOMALIES), [
    { user_key: "u-1", anomaly_id: "a-1", ...unmarked },
    { user_key: "u-3", anomaly_id: "a-1", ...unmarked },
  ]);
  assert.deepEqual(
    (await at.rows(EVENTS)).map((row) => row.retracted_at),
    [null, null],
  );
  // And the strangers' words do not stand in the user's own way
  await at.write([withdrawn()]);
  const [own, other] = await at.rows(ANOMALIES);
  assert.deepEqual([own?.retracted_by, other?.retracted_by], ["w-1", null]);
});

test("CNF-12: what a rule on trial found is kept with its mode, and is no alarm anywhere", async () => {
  const shadow = { mode: "SHADOW", severity: "CRITICAL", kind: "geo_block" } as const;
  await at.write([found({ ...shadow, anomaly_id: "a-2" })]);
  assert.deepEqual(await at.rows("select anomaly_id, mode, severity from session_anomalies"), [
    { anomaly_id: "a-2", mode: "SHADOW", severity: "CRITICAL" },
  ]);
  for (const table of ["session_activities", "session_security_events", "user_sessions"]) {
    assert.deepEqual(await at.rows(`select 1 from ${table}`), [], table);
  }
  assert.deepEqual([...(at.told.at(-1)?.rows.anomalies ?? [])], []);
  // It may be withdrawn as any other
  await at.write([withdrawn({ retracts: "a-2" })]);
  const [row] = await at.rows(ANOMALIES);
  assert.equal(row?.retracted_by, "w-1");
});

test("TEN-02: a reader sees its own tenant's retractions", async () => {
  await at.write([withdrawn(), withdrawn({ tenant_id: "molam-ci" })]);
  const reader = at.open("vigie_reader");
  onTestFinished(() => reader.close());
  const text = "select retracted_by from session_anomaly_retractions";
  const { rows } = await reader.inTenant("molam-sn", (tx) => tx.query(text));
  assert.deepEqual(rows, [{ retracted_by: "w-1" }]);
  assert.deepEqual((await reader.query(text)).rows, []);
});
