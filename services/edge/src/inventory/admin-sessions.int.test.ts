import assert from "node:assert/strict";
import { nameUuid, noSessionUuid, tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { bearer, NOW_MS, testEdge } from "../test-edge.ts";
import {
  addPerson,
  anomalyRow,
  endedRow,
  ids,
  sessionRow,
  type TestTables,
  testTables,
} from "./test-tables.ts";

const admin = { sub: "adm_1", scope: "id:admin", user_type: "INTERNAL" };

let tables: TestTables;
beforeAll(async () => {
  tables = await testTables();
});
afterAll(() => tables.close());
beforeEach(() => tables.clear());

async function get(url: string, claims: object = admin) {
  const edge = testEdge({ database: tables.edge });
  const response = await edge.app.inject({ url, headers: await bearer({ ...claims }) });
  return { response, audit: edge.audit };
}

async function okay(url: string, claims: object = admin) {
  const { response } = await get(url, claims);
  assert.equal(response.statusCode, 200, response.body);
  return response.json();
}

const idOf = (session: string, tenant = "molam-sn") => uuidOf(tenant, "session", session);
const keysOf = ({ sessions }: { sessions: { session_key: string }[] }) =>
  sessions.map(({ session_key }) => session_key);

async function seed() {
  await addPerson(tables, "molam-sn", "usr_1", ["d-1"]);
  await addPerson(tables, "molam-sn", "usr_2", ["d-1"]);
  await addPerson(tables, "molam-ci", "usr_1");
  await tables.insert("user_sessions", [
    sessionRow({ session: "s-1", device: "d-1", createdMs: -1_000 }),
    endedRow({ session: "s-2", createdMs: -2_000, row: { country: "FR", risk_score: 95 } }),
    sessionRow({ session: "s-3", user: "usr_2", device: "d-1", createdMs: -3_000 }),
    sessionRow({
      session: "s-4",
      user: "usr_2",
      createdMs: -4_000,
      lastSeenMs: -10,
      row: { session_type: "ussd", org_id: "pay", user_type: "INTERNAL", risk_score: 40 },
    }),
    sessionRow({ session: "s-ci", tenant: "molam-ci" }),
    sessionRow({ session: "s-stub", row: { status: "PENDING", is_active: false } }),
  ]);
}

test("SES-07: an administrator lists one user's sessions, by either id, and it is put on record", async () => {
  await seed();
  for (const user of ["usr_1", ids("molam-sn", "usr_1").user_id]) {
    const { response, audit } = await get(`/api/id/admin/sessions/user/${user}`);
    assert.deepEqual(keysOf(response.json()), ["s-1"]);
    assert.partialDeepStrictEqual(response.json().sessions[0], {
      user_key: "usr_1",
      risk_score: 0,
      roles: ["customer"],
      is_current: false,
    });
    assert.equal(audit.entries.length, 1);
    assert.partialDeepStrictEqual(audit.entries[0], {
      action: "sessions.read",
      subjectUserId: user,
    });
  }
  const all = await okay("/api/id/admin/sessions/user/usr_1?include_inactive=true");
  assert.deepEqual(keysOf(all), ["s-1", "s-2"]);
});

test.each([
  ["", ["s-1", "s-2", "s-3", "s-4"]],
  ["user=usr_2", ["s-3", "s-4"]],
  ["device=d-1", ["s-1", "s-3"]],
  ["device=d-1&user=usr_2", ["s-3"]],
  ["channel=USSD", ["s-4"]],
  ["organisation=pay", ["s-4"]],
  ["status=REVOKED", ["s-2"]],
  ["status=ACTIVE", ["s-1", "s-3", "s-4"]],
  ["country=FR", ["s-2"]],
  ["risk_min=0", ["s-1", "s-2", "s-3", "s-4"]],
  ["risk_min=1", ["s-2", "s-4"]],
  ["risk_min=41", ["s-2"]],
  ["risk_min=41&country=SN", []],
  [`created_from=${at(-3_000)}`, ["s-1", "s-2", "s-3"]],
  [`created_until=${at(-3_000)}`, ["s-4"]],
  [`active_from=${at(-10)}`, ["s-4"]],
  [`active_until=${at(-2_000)}`, ["s-3"]],
  [`status=ACTIVE&channel=MOBILE&created_until=${at(-1_000)}`, ["s-3"]],
])("SES-05: search by '%s'", async (query, expected) => {
  await seed();
  const found = await okay(`/api/id/admin/sessions?${query}`);
  assert.deepEqual(keysOf(found), expected);
  assert.equal(found.next, null);
});

test("a search is put on record with what was asked, under the user it names", async () => {
  await seed();
  const { audit } = await get("/api/id/admin/sessions?user=usr_2&status=ACTIVE");
  assert.partialDeepStrictEqual(audit.entries[0], {
    action: "sessions.searched",
    subjectUserId: "usr_2",
    payload: { query: { user: "usr_2", status: "ACTIVE" } },
  });
});

test("TEN-01: ids of another tenant are answered as if they did not exist", async () => {
  await seed();
  await addPerson(tables, "molam-ci", "usr_7");
  await tables.insert("user_sessions", [
    sessionRow({ session: "s-7", tenant: "molam-ci", user: "usr_7" }),
  ]);
  const foreign = ids("molam-ci", "usr_7").user_id;
  for (const user of ["usr_7", foreign, "nobody"]) {
    for (const url of [
      `/api/id/admin/sessions/user/${user}`,
      `/api/id/admin/users/${user}/anomalies`,
      `/api/id/admin/users/${user}/timeline`,
    ]) {
      const { response } = await get(url);
      assert.equal(response.statusCode, 404, url);
      assert.equal(response.json().code, "VIG_NOT_FOUND");
    }
    assert.deepEqual(keysOf(await okay(`/api/id/admin/sessions?user=${user}`)), []);
  }
  const theirs = await okay("/api/id/admin/sessions", { ...admin, tenant_id: "molam-ci" });
  assert.deepEqual(keysOf(theirs).sort(), ["s-7", "s-ci"]);
});

test("anomalies of a user, the newest first, with their evidence", async () => {
  await seed();
  await tables.insert("session_anomalies", [
    anomalyRow("a-1", -5_000),
    anomalyRow("a-2", -1_000),
    { ...anomalyRow("a-3", -500), ...ids("molam-sn", "usr_2") },
  ]);
  const first = await okay("/api/id/admin/users/usr_1/anomalies?limit=1");
  assert.partialDeepStrictEqual(first.anomalies, [
    { anomaly_id: "a-2", kind: "impossible_travel", evidence: { speed_kmh: "4000" } },
  ]);
  const second = await okay(`/api/id/admin/users/usr_1/anomalies?cursor=${first.next}`);
  assert.deepEqual(
    second.anomalies.map((a: { anomaly_id: string }) => a.anomaly_id),
    ["a-1"],
  );
});

test("ACT-10: the timeline merges activities, anomalies, revocations, commands and decisions", async () => {
  await seed();
  await tables.owner.query("select ensure_activity_partition($1::date)", ["2026-01-05"]);
  const none = noSessionUuid("molam-sn", "usr_1");
  await tables.insert("user_sessions", [
    sessionRow({ session: "none", row: { id: none, status: "NONE", is_active: false } }),
  ]);
  await tables.insert("session_anomalies", [anomalyRow("a-1", -4_000)]);
  await tables.insert("session_revocations", [
    {
      ...ids("molam-sn", "usr_1"),
      id: nameUuid("molam-sn", "revocation", "r-1"),
      session_id: idOf("s-2"),
      revocation_id: "r-1",
      revoked_at: at(-2_000),
      reason: "policy",
      actor_type: "POLICY",
      actor_id: "geo_block",
      epoch_id: null,
    },
  ]);
  await tables.insert("session_activities", [
    activity("e-1", "auth_fail", -5_000, none),
    activity("a-1", "anomaly", -4_000),
    activity("r-1", "revoke", -2_000),
  ]);
  await tables.insert("session_commands", [
    {
      ...ids("molam-sn", "usr_1"),
      id: nameUuid("molam-sn", "command", "c-1"),
      user_key: "usr_1",
      command_id: "c-1",
      kind: "REVOKE_ALL",
      requested_at: at(-3_000),
      noted_at: at(-3_000),
      decided_at: at(-2_990),
      revoked_session_keys: ["s-2"],
      already_ended: 0,
      actor_type: "USER",
    },
  ]);
  await tables.insert("session_risk_decisions", [
    {
      ...ids("molam-sn", "usr_1"),
      id: nameUuid("molam-sn", "decision", "x-1"),
      user_key: "usr_1",
      session_id: idOf("s-1"),
      decision_id: "x-1",
      action: "STEP_UP",
      decided_at: at(-1_000),
      reason: "score",
    },
  ]);
  const { items } = await okay("/api/id/admin/users/usr_1/timeline");
  assert.deepEqual(
    items.map((item: { kind: string }) => item.kind),
    ["risk_decision", "revoke", "command", "anomaly", "auth_fail"],
  );
  assert.equal(items[1].details.revocation_id, "r-1");
  assert.equal(items[2].details.revoked_sessions, 1);
  assert.equal(items[3].details.explanation, "too fast");
  assert.equal(items[4].session_id, null);

  // One page a row gives the same, in the same order.
  const paged = [];
  for (let next = ""; next !== null; ) {
    const cursor = next === "" ? "" : `&cursor=${next}`;
    const page = await okay(`/api/id/admin/users/usr_1/timeline?limit=1${cursor}`);
    paged.push(...page.items);
    next = page.next;
  }
  assert.deepEqual(paged, items);
  const own = { sub: "usr_1", sid: "s-1", user_type: "EXTERNAL" };
  assert.deepEqual((await okay("/api/id/sessions/me/timeline", own)).items, items);
});

test("OBS-07: usage tells sessions begun by day and channel, and growth over as many days before", async () => {
  await seed();
  const tenant_id = tenantUuid("molam-sn");
  await tables.insert("session_usage", [
    { tenant_id, day: "2026-01-05", session_type: "mobile", sessions: 30 },
    { tenant_id, day: "2026-01-04", session_type: "web", sessions: 15 },
    { tenant_id, day: "2026-01-03", session_type: "web", sessions: 30 },
    { tenant_id, day: "2026-01-01", session_type: "web", sessions: 1_000 },
    { tenant_id: tenantUuid("molam-ci"), day: "2026-01-05", session_type: "web", sessions: 9 },
  ]);
  assert.deepEqual(await okay("/api/id/admin/sessions/usage?days=2"), {
    from: "2026-01-04",
    until: "2026-01-06",
    days: [
      { day: "2026-01-04", channel: "web", sessions: 15 },
      { day: "2026-01-05", channel: "mobile", sessions: 30 },
    ],
    by_channel: { web: 15, mobile: 30 },
    sessions: 45,
    previous_sessions: 30,
    growth: 0.5,
  });
});

function at(ms: number): string {
  return new Date(NOW_MS + ms).toISOString();
}

function activity(eventId: string, type: string, atMs: number, sessionId = idOf("s-1")) {
  return {
    ...ids("molam-sn", "usr_1"),
    id: uuidOf("molam-sn", "event", eventId),
    session_id: sessionId,
    activity_type: type,
    activity_category: "auth",
    timestamp: at(atMs),
    details: { channel: "MOBILE" },
    event_id: eventId,
  };
}
