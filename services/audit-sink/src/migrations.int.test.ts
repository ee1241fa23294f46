import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { openDatabase } from "@vigie/service-kit/postgres/database";
import {
  type MigrationFolder,
  migrate,
  migrationFolders,
} from "@vigie/service-kit/postgres/migrate";
import { stack } from "@vigie/testkit/stack";
import { expect, onTestFinished, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");
const FIRST = "001_audit.sql";

const ENTRY = `
  insert into audit_log
    (index, event_id, tenant_id, tenant_key, occurred_at, occurred_at_ms, recorded_at_ms, source_topic,
     source_partition, source_offset, emitter, emitter_seq, action, actor_type, actor_id, is_impersonation,
     payload, event_digest, previous_hash, entry_hash, signature, key_id)
  values (1, 'e-1', gen_random_uuid(), 'molam-sn', now(), 0, 0, 'id.audit', 0, 0, 'e', 1, 'a', 'ADMIN', 'x',
          false, '{}', '', '', '', '', '')`;

test("an installation with the chain of before keeps it, closed, and builds the log from its topics", async () => {
  // Given a chain with an entry, and offsets behind it
  const { postgres: url, schema, ...servers } = await stack();
  const folder = mkdtempSync(join(tmpdir(), "vigie-migrations-"));
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
  const all = migrationFolders(ROOT);
  const path = all.find(({ owner }) => owner === "audit-sink")?.path ?? "";
  cpSync(join(path, FIRST), join(folder, FIRST));
  const apply = (folders: readonly MigrationFolder[]) =>
    migrate({ url, schema, folders, log: silentLogger });
  await apply([
    ...all.filter(({ owner }) => owner === "platform"),
    { owner: "audit-sink", path: folder },
  ]);
  await database.query(ENTRY);
  await database.query(
    "insert into sink_offsets values ('vigie.audit-sink', 'id.audit', 0, 1), ('other', 'id.audit', 0, 1)",
  );
  // When the version with the log comes
  await apply(all);
  // Then the entry is there, nobody may change it, and reading begins anew
  const { rows } = await database.query("select index, event_id from audit_log_retired");
  expect(rows).toEqual([{ index: 1, event_id: "e-1" }]);
  const change = database.query("update audit_log_retired set payload = '{\"x\":1}'");
  await expect(change).rejects.toThrow("is refused");
  const { rows: offsets } = await database.query("select group_id from sink_offsets");
  expect(offsets).toEqual([{ group_id: "other" }]);
  const { rows: head } = await database.query("select size, frontier from audit_head");
  expect(head).toEqual([{ size: 0, frontier: [] }]);
  expect(await apply(all)).toEqual([]);
});
