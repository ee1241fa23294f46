import assert from "node:assert/strict";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { afterAll, beforeAll, test } from "vitest";
import { DELETES } from "./erase.ts";
import { CLEAR, deletion, KEPT } from "./retention.ts";
import { openTestSink, type TestSink } from "./test-sink.ts";

/** Enough that a walk over a table costs more than its index. */
const ROWS = 6_000;

let at: TestSink;
beforeAll(async () => {
  at = await openTestSink();
  await fill();
});
afterAll(() => at.close());

/** 1,000 users with sessions and events over ten days, all of one tenant. */
async function fill(): Promise<void> {
  const { owner } = at;
  const tenant = tenantUuid("molam-sn");
  const day = "(now() at time zone 'utc') - n % 10 * interval '1 day'";
  await owner.query("insert into tenants (id, slug, name) values ($1, 'molam-sn', '')", [tenant]);
  const each = (table: string, columns: string, values: string, rows = ROWS) =>
    owner.query(
      `insert into ${table} (tenant_id, user_id, ${columns})
       select '${tenant}', md5('u' || n % 1000)::uuid, ${values} from generate_series(1, ${rows}) n`,
    );
  await owner.query(
    `insert into users (tenant_id, id, external_id, is_stub)
     select '${tenant}', md5('u' || n)::uuid, 'u' || n, true from generate_series(0, 999) n`,
  );
  await owner.query(
    "select ensure_activity_partition((now() at time zone 'utc')::date - n) from generate_series(0, 9) n",
  );
  await each(
    "user_sessions",
    "id, tenant_key, user_key, session_key, status, created_at, last_activity, expires_at, is_active, terminated_at",
    `md5('s' || n)::uuid, 'molam-sn', 'u', 's' || n, case when n % 20 = 0 then 'PENDING' else 'REVOKED' end,
     ${day}, ${day}, ${day}, false, ${day}`,
  );
  await each(
    "session_activities",
    "id, session_id, activity_type, timestamp, event_id",
    `md5('e' || n)::uuid, md5('s' || n)::uuid, 'heartbeat', ${day}, 'e'`,
  );
  await each(
    "session_anomalies",
    "id, anomaly_id, kind, severity, risk_score, action, mode, occurred_at, detected_at, rule_version, policy_version, explanation",
    `md5('a' || n)::uuid, 'a', 'k', 'HIGH', 1, 'LOG_ONLY', 'ENFORCE', ${day}, ${day}, '1', 1, ''`,
  );
  await each(
    "session_anomaly_retractions",
    "id, retracted_by, retracted_at",
    `md5('a' || n)::uuid, 'w', ${day}`,
  );
  await each(
    "session_revocations",
    "id, session_id, revocation_id, revoked_at, reason, actor_type, actor_id",
    `md5('r' || n)::uuid, md5('s' || n)::uuid, 'r', ${day}, '', 'ADMIN', 'admin'`,
  );
  await each(
    "session_commands",
    "id, user_key, command_id, noted_at",
    `md5('c' || n)::uuid, 'u', 'c', ${day}`,
  );
  await each(
    "session_risk_decisions",
    "id, user_key, decision_id, action, decided_at, reason",
    `md5('d' || n)::uuid, 'u', 'd', 'REVOKE', ${day}, ''`,
  );
  await each(
    "session_anomaly_verdicts",
    "id, anomaly_id, label, labelled_at, actor_type, actor_id",
    `md5('a' || n)::uuid, 'a', 'x', ${day}, 'ADMIN', 'admin'`,
  );
  await each(
    "session_security_events",
    "id, kind, severity, source, origin_id, occurred_at",
    `md5('x' || n)::uuid, 'k', 'HIGH', 'detector', 'o', ${day}`,
  );
  await owner.query(
    `insert into session_revocation_acks (tenant_id, revocation, enforcement_point, revocation_id, acted_at)
     select '${tenant}', md5('r' || n)::uuid, 'pay', 'r', ${day} from generate_series(1, ${ROWS}) n`,
  );
  await owner.query("analyze");
}

async function planOf(text: string, values: readonly unknown[]): Promise<string> {
  type Line = { readonly "QUERY PLAN": string };
  const { rows } = await at.owner.query<Line>(`explain ${text}`, values);
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

const tenant = tenantUuid("molam-sn");
const user = uuidOf("molam-sn", "user", "u-1");
const longAgo = new Date(Date.now() - 8 * 86_400_000).toISOString();

test("PRV-14: an erasure walks over no table", async () => {
  for (const text of DELETES) {
    const plan = await planOf(text, [tenant, user, longAgo]);
    assert.doesNotMatch(plan, /Seq Scan/, plan);
  }
});

test("PRV-13: a batch of retention walks over no table", async () => {
  for (const kept of KEPT) {
    const plan = await planOf(deletion(kept, 100), [tenant, longAgo]);
    assert.doesNotMatch(plan, /Seq Scan/, plan);
  }
});

test("PRV-13, PRV-14: the verdicts that go with an anomaly are found without a walk over all", async () => {
  // As the foreign key asks. Source: RI_FKey_cascade_del of PostgreSQL.
  const text = "delete from only session_anomaly_verdicts where id = $1";
  const plan = await planOf(text, [user]);
  assert.doesNotMatch(plan, /Seq Scan/, plan);
});

test("a tenant's day of activities is read in its own partition only", async () => {
  const from = longAgo.slice(0, 10);
  const to = new Date(Date.parse(from) + 86_400_000).toISOString().slice(0, 10);
  const plan = await planOf(CLEAR, [tenant, from, to, 100]);
  const partitions = new Set(plan.match(/session_activities_\d{8}(?!\w)/g));
  assert.deepEqual([...partitions], [`session_activities_${from.replaceAll("-", "")}`], plan);
});

test("the check would see a missing index", async () => {
  await at.owner.query("drop index idx_session_anomalies_occurred, idx_session_anomalies_user");
  const kept = KEPT.find(({ table }) => table === "session_anomalies");
  assert.ok(kept !== undefined);
  assert.match(await planOf(deletion(kept, 100), [tenant, longAgo]), /Seq Scan/);
});
