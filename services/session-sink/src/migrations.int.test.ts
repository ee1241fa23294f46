import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { stack } from "@vigie/testkit/stack";
import { expect, onTestFinished, test } from "vitest";

const root = resolve(import.meta.dirname, "../../..");
const FIRST = "001_sessions.sql";

const FILL = `
  insert into tenants (id, slug, name) values (md5('t')::uuid, 't', '');
  insert into users (tenant_id, id, external_id)
    values (md5('t')::uuid, md5('owner')::uuid, 'owner'), (md5('t')::uuid, md5('other')::uuid, 'other');
  insert into user_sessions (id, user_id, tenant_id, tenant_key, user_key, session_key, status,
                             created_at, last_activity, expires_at)
    values (md5('s')::uuid, md5('owner')::uuid, md5('t')::uuid, 't', 'owner', 's', 'ACTIVE',
            now(), now(), now());
  select ensure_activity_partition((now() at time zone 'utc')::date);
  insert into session_activities (id, session_id, activity_type, timestamp, tenant_id, user_id, event_id)
    select md5(who)::uuid, md5('s')::uuid, 'heartbeat', now() at time zone 'utc', md5('t')::uuid,
           md5(who)::uuid, who from unnest(array['owner', 'other']) as who`;

test("an installation whose rows have two owners in one goes over, and each has a row of its own", async () => {
  const servers = await stack();
  const { postgres: url, schema } = servers;
  const ours = migrationFolders(root).filter(({ owner }) => owner === "session-sink");
  const [sink] = ours;
  const platform = migrationFolders(root).filter(({ owner }) => owner === "platform");
  const folder = mkdtempSync(join(tmpdir(), "vigie-migrations-"));
  cpSync(join(sink?.path ?? "", FIRST), join(folder, FIRST));
  const owner = openDatabase({
    url,
    schema,
    applicationName: "test",
    statementTimeoutMs: 10_000,
    poolMax: 1,
    log: silentLogger,
  });
  onTestFinished(async () => {
    rmSync(folder, { recursive: true });
    await owner.query(`drop schema "${schema}" cascade`);
    await owner.close();
    await servers.close();
  });
  // Given the tables as they first were, with a stranger's event on an owner's session
  const first = [...platform, { owner: "session-sink", path: folder }];
  await migrate({ url, schema, folders: first, log: silentLogger });
  for (const text of FILL.split(";")) await owner.query(text);
  // When the rest is applied
  const applied = await migrate({
    url,
    schema,
    folders: [...platform, ...ours],
    log: silentLogger,
  });
  expect(applied[0]).toBe("session-sink/002_session_owners.sql");
  // Then each activity is its own user's
  const { rows } = await owner.query(
    `select a.event_id, s.user_key, s.status from session_activities a
       join user_sessions s on s.tenant_id = a.tenant_id and s.user_id = a.user_id
        and s.id = a.session_id order by 1`,
  );
  assert.deepEqual(rows, [
    { event_id: "other", user_key: "other", status: "PENDING" },
    { event_id: "owner", user_key: "owner", status: "ACTIVE" },
  ]);
  const { rows: names } = await owner.query("select slug from tenants");
  assert.deepEqual(names, [{ slug: "t" }]);
});
