import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { stack } from "@vigie/testkit/stack";
import { onTestFinished, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");

interface Installation {
  readonly database: Database;
  /** Applies the migrations that it does not have. */
  finish(): Promise<readonly string[]>;
}

/** Tables as they were after the sink's migrations up to `last`. */
async function installed(last: string): Promise<Installation> {
  const servers = await stack();
  const { postgres: url, schema } = servers;
  const of = (owner: string) => migrationFolders(ROOT).filter((each) => each.owner === owner);
  const folder = mkdtempSync(join(tmpdir(), "vigie-migrations-"));
  const path = of("session-sink")[0]?.path ?? "";
  for (const file of readdirSync(path)) {
    if (file <= last) cpSync(join(path, file), join(folder, file));
  }
  const database = openDatabase({
    url,
    schema,
    applicationName: "test",
    statementTimeoutMs: 10_000,
    poolMax: 1,
    log: silentLogger,
  });
  onTestFinished(async () => {
    rmSync(folder, { recursive: true });
    await database.query(`drop schema "${schema}" cascade`);
    await database.close();
    await servers.close();
  });
  const apply = (folders: Parameters<typeof migrate>[0]["folders"]) =>
    migrate({ url, schema, folders, log: silentLogger });
  await apply([...of("platform"), { owner: "session-sink", path: folder }]);
  return { database, finish: () => apply([...of("platform"), ...of("session-sink")]) };
}

const PEOPLE = `
  insert into tenants (id, slug, name) values (md5('t')::uuid, 't', '');
  insert into users (tenant_id, id, external_id)
    values (md5('t')::uuid, md5('owner')::uuid, 'owner'), (md5('t')::uuid, md5('other')::uuid, 'other')`;

const fill = async (database: Database, text: string): Promise<void> => {
  for (const statement of `${PEOPLE};${text}`.split(";")) await database.query(statement);
};

test("an installation whose rows have two owners in one goes over, and each has a row of its own", async () => {
  // Given the tables as they first were, with a stranger's event on an owner's session
  const { database, finish } = await installed("001_sessions.sql");
  await fill(
    database,
    `insert into user_sessions (id, user_id, tenant_id, tenant_key, user_key, session_key, status,
                                created_at, last_activity, expires_at)
       values (md5('s')::uuid, md5('owner')::uuid, md5('t')::uuid, 't', 'owner', 's', 'ACTIVE',
               now(), now(), now());
     select ensure_activity_partition((now() at time zone 'utc')::date);
     insert into session_activities (id, session_id, activity_type, timestamp, tenant_id, user_id, event_id)
       select md5(who)::uuid, md5('s')::uuid, 'heartbeat', now() at time zone 'utc', md5('t')::uuid,
              md5(who)::uuid, who from unnest(array['owner', 'other']) as who`,
  );
  // When the rest is applied
  assert.equal((await finish())[0], "session-sink/002_session_owners.sql");
  // Then each activity is its own user's
  const { rows } = await database.query(
    `select a.event_id, s.user_key, s.status from session_activities a
       join user_sessions s on s.tenant_id = a.tenant_id and s.user_id = a.user_id
        and s.id = a.session_id order by 1`,
  );
  assert.deepEqual(rows, [
    { event_id: "other", user_key: "other", status: "PENDING" },
    { event_id: "owner", user_key: "owner", status: "ACTIVE" },
  ]);
  const { rows: names } = await database.query("select slug from tenants");
  assert.deepEqual(names, [{ slug: "t" }]);
});

test("a security event of before retractions takes its anomaly's id, an audited one keeps its own", async () => {
  const { database, finish } = await installed("008_erasure_parts.sql");
  await fill(
    database,
    `insert into session_anomalies (id, tenant_id, user_id, anomaly_id, kind, severity, risk_score, action, mode,
            occurred_at, detected_at, rule_version, policy_version, explanation)
       values (md5('anomaly')::uuid, md5('t')::uuid, md5('owner')::uuid, 'a-1', 'geo_block', 'CRITICAL',
               90, 'BLOCK', 'ENFORCE', now(), now(), '1', 1, '');
     insert into session_security_events (id, tenant_id, user_id, kind, severity, source, origin_id, occurred_at)
       select md5(source || who)::uuid, md5('t')::uuid, md5(who)::uuid, 'geo_block', 'CRITICAL', source, 'a-1', now()
         from unnest(array['detector', 'detector', 'edge'], array['owner', 'other', 'owner']) as e (source, who)`,
  );
  await finish();
  const { rows } = await database.query(
    `select source, user_id = md5('owner')::uuid as own, id = md5('anomaly')::uuid as same
       from session_security_events order by 1, 2`,
  );
  assert.deepEqual(rows, [
    { source: "detector", own: false, same: false },
    { source: "detector", own: true, same: true },
    { source: "edge", own: true, same: false },
  ]);
});

test("ANO-17: an activity of before that a rule on trial brought about goes, one of an alarm stays", async () => {
  const { database, finish } = await installed("008_erasure_parts.sql");
  const of = `md5('t')::uuid, md5('owner')::uuid`;
  await fill(
    database,
    `insert into user_sessions (id, tenant_id, user_id, tenant_key, user_key, session_key, status,
                                created_at, last_activity, expires_at)
       values (md5('s')::uuid, ${of}, 't', 'owner', 's', 'PENDING', now(), now(), now());
     select ensure_activity_partition((now() at time zone 'utc')::date);
     create temporary table wanted as
       select mode, 'a-' || mode as name, date_trunc('ms', now() at time zone 'utc') as at
         from unnest(array['ENFORCE', 'SHADOW']) as mode;
     insert into session_anomalies (id, tenant_id, user_id, anomaly_id, kind, severity, risk_score, action, mode,
            occurred_at, detected_at, rule_version, policy_version, explanation)
       select md5(name)::uuid, ${of}, name, 'geo_block', 'CRITICAL', 90, 'BLOCK', mode, at, at, '1', 1, '' from wanted;
     insert into session_activities (id, session_id, activity_type, timestamp, tenant_id, user_id, event_id)
       select md5(kind || name)::uuid, md5('s')::uuid, kind, at, ${of}, name
         from wanted, unnest(array['anomaly', 'heartbeat']) as kind`,
  );
  await finish();
  const { rows } = await database.query(
    "select activity_type as type, event_id as of from session_activities order by 1, 2",
  );
  assert.deepEqual(rows, [
    { type: "anomaly", of: "a-ENFORCE" },
    { type: "heartbeat", of: "a-ENFORCE" },
    { type: "heartbeat", of: "a-SHADOW" },
  ]);
  const { rows: anomalies } = await database.query("select 1 from session_anomalies");
  assert.equal(anomalies.length, 2);
});

test("verdicts of before are held once: what only the copy knew goes over, with its anomaly or not at all", async () => {
  const { database, finish } = await installed("013_shadow_activities.sql");
  await fill(
    database,
    `insert into session_anomalies (id, tenant_id, user_id, anomaly_id, kind, severity, risk_score, action, mode,
            occurred_at, detected_at, rule_version, policy_version, explanation)
       select md5(name)::uuid, md5('t')::uuid, md5('owner')::uuid, name, 'geo_block', 'CRITICAL',
              90, 'BLOCK', 'ENFORCE', now(), now(), '1', 1, '' from unnest(array['a-copied', 'a-kept', 'a-strange']) as name;
     insert into session_anomaly_verdicts (id, tenant_id, user_id, anomaly_id, label, labelled_at, actor_type, actor_id)
       select md5('a-kept')::uuid, md5('t')::uuid, md5('owner')::uuid, 'a-kept', label, at, 'ADMIN', 'adm_1'
         from (values ('TRUE_POSITIVE', timestamp '2026-01-01'), ('FALSE_POSITIVE', '2026-01-02')) as kept (label, at);
     insert into session_anomaly_labels (id, tenant_id, user_id, anomaly_id, label, note, labelled_at, actor_type, actor_id)
       select md5(name)::uuid, md5('t')::uuid, md5(who)::uuid, name, 'FALSE_POSITIVE', repeat('x', 1001),
              timestamp '2026-01-02' - interval '1 ms', 'ADMIN', 'adm_1'
         from (values ('a-copied', 'owner'), ('a-kept', 'owner'), ('a-strange', 'other'), ('a-gone', 'owner')) as told (name, who)`,
  );
  await finish();
  const { rows } = await database.query(
    `select anomaly_id as of, label, length(note) as note from session_anomaly_verdicts order by 1, labelled_at`,
  );
  assert.deepEqual(rows, [
    { of: "a-copied", label: "FALSE_POSITIVE", note: 1000 },
    { of: "a-kept", label: "TRUE_POSITIVE", note: null },
    { of: "a-kept", label: "FALSE_POSITIVE", note: null },
  ]);
  const { rows: tables } = await database.query(
    `select relname as name, relforcerowsecurity as forced from pg_class
      where relnamespace = current_schema()::regnamespace
        and relname in ('session_anomalies', 'session_anomaly_labels', 'session_anomaly_verdicts') order by 1`,
  );
  assert.deepEqual(tables, [
    { name: "session_anomalies", forced: true },
    { name: "session_anomaly_verdicts", forced: true },
  ]);
});
