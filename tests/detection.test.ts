import assert from "node:assert/strict";
import { RULE_NAMES } from "@vigie/core/policy-fields";
import { sampleAnomaly } from "@vigie/schemas/samples";
import type { AnomalyLabel } from "@vigie/schemas/types";
import { beforeAll, test } from "vitest";
import { DAKAR, MINUTE, PARIS, PHONE } from "./support/events.ts";
import { ownRecords } from "./support/own-records.ts";
import { TENANT } from "./support/pipeline.ts";
import { count, sessionRow, values } from "./support/read-model.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { until, untilTrue } from "./support/until.ts";

/** Every rule, from events as other teams send them to the anomaly that an analyst reads in PostgreSQL. */

const { pipeline, events } = await testPipeline();
const { send } = await ownRecords(pipeline, ["id.session.anomaly"]);

const HOUR = 60 * MINUTE;
/** Whose they are: two of SONATEL, one of Orange in Paris, one of Cloudflare. Source: the npm packages of GeoIP data. */
const IN_DAKAR = "41.82.17.203";
const ALSO_IN_DAKAR = "196.207.200.1";
const IN_PARIS = "90.85.16.5";
const IN_A_CLOUD = "104.16.0.1";

interface AnomalyRow {
  readonly anomaly_id: string;
  readonly kind: string;
  readonly severity: string;
  readonly risk_score: number;
  readonly action: string;
  readonly mode: string;
  readonly session_key: string | null;
  readonly evidence: Readonly<Record<string, string>>;
  readonly explanation: string;
  readonly retracted_by: string | null;
}

const anomaliesOf = async (userKey: string): Promise<readonly AnomalyRow[]> =>
  (
    await pipeline.database.query<AnomalyRow>(
      "select * from session_anomalies where user_key like $1 order by occurred_at",
      [userKey],
    )
  ).rows;

/** By HTTP; `ago` in ms. */
async function post(type: "login" | "mfa", userId: string, over: object, ago = 0): Promise<void> {
  const event = { user_id: userId, occurred_at: Date.now() - ago, channel: "MOBILE", ...over };
  const response = await pipeline.post(`/v1/events/${type}`, event);
  assert.equal(response.status, 202, await response.text());
}
const postLogin = (userId: string, over: object, ago = 0) =>
  post("login", userId, { kind: "AUTH_SUCCESS", session_id: `s-${userId}`, ...over }, ago);

type Login = Parameters<typeof events.login>[0];
/** By Avro, as another team's producer writes it. */
const sendLogins = (logins: readonly (Login & { readonly ago?: number })[]): Promise<void> =>
  pipeline.producer.send(
    "id.login",
    logins.map(({ ago = 0, ...login }) => events.login({ occurredAt: Date.now() - ago, ...login })),
  );
const times = <T>(length: number, make: (n: number) => T): T[] =>
  Array.from({ length }, (_, n) => make(n));

/** Ten logins of the last three days, which are long over. */
const tenLogins = (userId: string, over: Partial<Login> = {}) =>
  times(10, (n) => ({ userId, sessionId: `s-old`, ago: (72 - n) * HOUR, ...PHONE, ...over }));

const admin = (path: string, method: "POST" | "PUT", body: object, headers: object = {}) =>
  fetch(`${pipeline.service("edge").url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${pipeline.token({ sub: "console", scope: "id:admin" })}`,
      "content-type": "application/json",
      ...headers,
    },
    body: JSON.stringify(body),
  });

const stored = (what: string, wanted: number): Promise<void> =>
  untilTrue(what, async () => (await count(pipeline, what)) === wanted, 60_000);

beforeAll(async () => {
  await sendLogins([{ userId: "revoked", ...PHONE }]);
  await stored("sessions where session_key = 's-revoked'", 1);
  const path = "/api/id/admin/sessions/revoke";
  const filter = { user_id: "revoked", session_id: "s-revoked" };
  const response = await admin(path, "POST", { filter });
  assert.equal(response.status, 200, await response.text());
});

interface Case {
  readonly kind: (typeof RULE_NAMES)[number];
  readonly userId: string;
  readonly act: (userId: string) => Promise<unknown>;
  readonly says: string;
  /** Null: of no session. */
  readonly session?: string | null;
  readonly evidence: Readonly<Record<string, string>>;
}

const cases: readonly Case[] = [
  {
    kind: "impossible_travel",
    userId: "traveller",
    act: (userId) =>
      sendLogins([
        { userId, ...PHONE, ...DAKAR, ago: 30 * MINUTE },
        { userId, ...PHONE, ...PARIS },
      ]),
    says: "HIGH 95 STEP_UP ENFORCE",
    evidence: { from_country: "SN", to_country: "FR" },
  },
  {
    kind: "fingerprint_mismatch",
    userId: "printed",
    act: (userId) => sendLogins([{ userId, ...PHONE, similarity: 0.84 }]),
    says: "HIGH 70 STEP_UP ENFORCE",
    evidence: { similarity: "0.84", source: "producer" },
  },
  {
    kind: "bruteforce",
    userId: "forced",
    act: (userId) =>
      pipeline.producer.send(
        "id.mfa",
        times(6, (n) => events.mfa({ userId, occurredAt: Date.now() - n * MINUTE })),
      ),
    says: "HIGH 80 STEP_UP ENFORCE",
    evidence: { of: "mfa", failures: "6", limit: "5" },
  },
  {
    kind: "mfa_fatigue",
    userId: "worn-out",
    act: async (userId) => {
      const challenge = { kind: "CHALLENGE", factor: "PUSH", session_id: `s-${userId}` };
      for (let n = 5; n > 0; n -= 1) await post("mfa", userId, challenge, n * 10_000);
    },
    says: "HIGH 75 STEP_UP ENFORCE",
    evidence: { challenges: "5", limit: "5" },
  },
  {
    kind: "geo_block",
    userId: "blocked",
    act: (userId) => postLogin(userId, { location: { source: "GPS", country: "KP" } }),
    says: "CRITICAL 90 BLOCK ENFORCE",
    evidence: { country: "KP", source: "location", channel: "MOBILE" },
  },
  {
    kind: "credential_spray",
    userId: "ip:%",
    act: () =>
      sendLogins(
        times(5, (n) => ({
          ...{ userId: `sprayed-${n}`, kind: "AUTH_FAIL", sessionId: null, ip: "102.89.7.7" },
          ago: n * MINUTE,
        })),
      ),
    says: "HIGH 80 STEP_UP ENFORCE",
    session: null,
    evidence: { users_failed: "5", limit: "5" },
  },
  {
    kind: "country_mismatch",
    userId: "roaming",
    act: (userId) =>
      postLogin(userId, {
        network: { ip: IN_PARIS },
        sim: { mcc: 608, mnc: 1, carrier: "Orange" },
      }),
    says: "MEDIUM 50 LOG_ONLY ENFORCE",
    evidence: { source: "sim", sim_country: "SN", ip_country: "FR", mcc: "608" },
  },
  {
    kind: "country_change",
    userId: "moved",
    act: (userId) => sendLogins([...tenLogins(userId, DAKAR), { userId, ...PHONE, ...PARIS }]),
    says: "MEDIUM 40 LOG_ONLY ENFORCE",
    evidence: { country: "FR", last_country: "SN", logins: "10" },
  },
  {
    kind: "unusual_channel",
    userId: "on-the-web",
    act: (userId) => sendLogins([...tenLogins(userId), { userId, ...PHONE, channel: "WEB" }]),
    says: "MEDIUM 35 LOG_ONLY ENFORCE",
    evidence: { channel: "WEB", logins_on_channel: "0" },
  },
  {
    kind: "vpn_detected",
    userId: "hidden",
    act: (userId) => postLogin(userId, { network: { ip: IN_A_CLOUD } }),
    says: "LOW 30 LOG_ONLY ENFORCE",
    evidence: { by: "word", asn: "13335" },
  },
  {
    kind: "new_device",
    userId: "with-two",
    act: (userId) =>
      sendLogins([
        { userId, deviceId: "phone-1", ago: MINUTE },
        { userId, deviceId: "phone-2" },
      ]),
    says: "LOW 25 LOG_ONLY ENFORCE",
    evidence: { known_devices: "1" },
  },
  {
    kind: "login_risk",
    userId: "somebody-else",
    act: async (userId) => {
      const others = { ip: ALSO_IN_DAKAR, userAgent: PHONE.userAgent };
      const crowd = times(1_500, (n) => ({ userId: `crowd-${n % 500}`, ...others }));
      await sendLogins(crowd);
      await stored(
        `session_activities where user_id in
        (select id from users where external_id like 'crowd-%')`,
        crowd.length,
      );
      await sendLogins(times(8, (n) => ({ userId, ip: IN_DAKAR, ago: (8 - n) * MINUTE })));
      await sendLogins([{ userId, ...others }]);
    },
    says: "MEDIUM 45 LOG_ONLY SHADOW",
    evidence: { logins: "8" },
  },
  {
    kind: "concurrent_sessions",
    userId: "many",
    act: (userId) => sendLogins(times(6, (n) => ({ userId, ...PHONE, sessionId: `s-many-${n}` }))),
    says: "MEDIUM 45 LOG_ONLY ENFORCE",
    session: "s-many-5",
    evidence: { sessions: "6", limit: "5", on_excess: "revoke_oldest" },
  },
  {
    kind: "revoked_session_use",
    userId: "revoked",
    // It has been revoked since the file began; a minute after that a heartbeat is too late.
    act: (userId) =>
      until(
        "its use is told of",
        async () => {
          await pipeline.producer.send("id.heartbeat", [events.heartbeat({ userId })]);
          return (await anomaliesOf(userId))[0];
        },
        90_000,
      ),
    says: "HIGH 85 LOG_ONLY ENFORCE",
    evidence: { grace_s: "60" },
  },
];

test("no rule is left out", () => {
  assert.deepEqual(cases.map(({ kind }) => kind).sort(), [...RULE_NAMES].sort());
});

test("POL-07: a country is blocked", async () => {
  const document = { blocked_countries: { countries: ["KP"] } };
  const path = "/api/id/admin/sessions/policies";
  const response = await admin(path, "PUT", document, { "if-match": '"0"' });
  assert.equal(response.status, 200, await response.text());
  await stored(`session_policy_changes where tenant_key = '${TENANT}'`, 1);
});

test.each(cases)("ANO-15, ANO-17: $kind", async ({ kind, userId, act, ...expected }) => {
  await act(userId);
  const row = await until(`${kind} is stored`, async () =>
    (await anomaliesOf(userId)).find((each) => each.kind === kind),
  );
  const { severity, risk_score, action, mode, explanation } = row;
  assert.equal(`${severity} ${risk_score} ${action} ${mode}`, expected.says);
  assert.partialDeepStrictEqual(row.evidence, expected.evidence);
  assert.match(explanation, / would not have /);
  const { session = `s-${userId}` } = expected;
  assert.equal(row.session_key, session);
  // What is found in the shadow is no alarm.
  const alarms = mode === "ENFORCE" ? 1 : 0;
  const activities = `session_activities where activity_type = 'anomaly' and event_id = '${row.anomaly_id}'`;
  await stored(activities, alarms);
  assert.equal((await anomaliesOf(userId)).length, 1, "and nothing else was found");
});

test("POL-07, CNF-12: what a blocked country ends is ended everywhere", async () => {
  const [anomaly] = await anomaliesOf("blocked");
  await stored(`session_revocations where anomaly_id = '${anomaly?.anomaly_id}'`, 1);
  await untilTrue("its session is revoked", async () => {
    const row = await sessionRow(pipeline, "s-blocked");
    return row?.status === "REVOKED" && row.termination_reason === "policy:geo_block";
  });
});

test("RMP-02: a verdict is stored and goes out to whoever reads verdicts", async () => {
  const [anomaly] = await anomaliesOf("with-two");
  const body = { label: "false_positive", note: "a new phone" };
  const path = `/api/id/admin/anomalies/${anomaly?.anomaly_id}/label`;
  const response = await admin(path, "POST", body);
  assert.equal(response.status, 200, await response.text());
  const label = await until("it is on the topic", async () =>
    (await values<AnomalyLabel>(pipeline, "id.anomaly.label")).find(
      (each) => each?.anomaly_id === anomaly?.anomaly_id,
    ),
  );
  assert.deepEqual(
    [label.label, label.note, label.user_id, label.actor.id],
    ["FALSE_POSITIVE", "a new phone", "with-two", "console"],
  );
  await stored(
    `session_anomaly_verdicts where anomaly_id = '${anomaly?.anomaly_id}' and label = 'FALSE_POSITIVE'`,
    1,
  );
});

test("ANO-17: a retraction marks the anomaly and takes its risk back, and revives nothing", async () => {
  const riskOf = async (userId: string): Promise<number | undefined> => {
    const text = "select risk_score from sessions where session_key = $1";
    const { rows } = await pipeline.database.query<{ risk_score: number }>(text, [`s-${userId}`]);
    return rows[0]?.risk_score;
  };
  for (const userId of ["roaming", "blocked"]) {
    const [anomaly] = await anomaliesOf(userId);
    const retraction = `w-${userId}`;
    await send(
      "id.session.anomaly",
      sampleAnomaly(Date.now(), {
        ...{ anomaly_id: retraction, tenant_id: TENANT, user_id: userId },
        ...{ session_id: `s-${userId}`, retracts: anomaly?.anomaly_id ?? "" },
      }),
    );
    await untilTrue("it is marked", async () => {
      const [held] = await anomaliesOf(userId);
      return held?.retracted_by === retraction;
    });
    assert.equal((await anomaliesOf(userId)).length, 1, "a retraction is no anomaly");
  }
  await untilTrue("the risk is taken back", async () => (await riskOf("roaming")) === 0);
  assert.equal((await sessionRow(pipeline, "s-blocked"))?.status, "REVOKED");
});
