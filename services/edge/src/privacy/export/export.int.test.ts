import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { uuidOf } from "@vigie/service-kit/ids";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import {
  addPerson,
  ids,
  sessionRow,
  type TestTables,
  testTables,
} from "../../inventory/test-tables.ts";
import { bearer, NOW_MS, testEdge } from "../../test-edge.ts";
import { ROWS_AT_ONCE } from "./document.ts";
import { exportedTables, tablesOfElsewhere } from "./tables.ts";

const URL = "/api/id/sessions/me/export";
const me = { sub: "usr_1", sid: "s-1", user_type: "EXTERNAL", scope: "" };

let tables: TestTables;
beforeAll(async () => {
  tables = await testTables();
});
afterAll(() => tables.close());
beforeEach(() => tables.clear());

async function exported(overrides: Parameters<typeof testEdge>[0] = {}, claims: object = me) {
  const edge = testEdge({ database: tables.edge, ...overrides });
  const response = await edge.app.inject({ url: URL, headers: await bearer({ ...claims }) });
  return { edge, response };
}

test("PRV-14: the export holds all rows of the caller and of nobody else, over many pages", async () => {
  await addPerson(tables, "molam-sn", "usr_1", ["d-1"]);
  await addPerson(tables, "molam-sn", "usr_2");
  await addPerson(tables, "molam-ci", "usr_1");
  const count = 2 * ROWS_AT_ONCE + 1;
  const mine = Array.from({ length: count }, (_, n) =>
    // Many in the same millisecond: the place after a page is not a time alone.
    sessionRow({ session: `s-${n}`, createdMs: -Math.floor(n / 1_500) }),
  );
  await tables.insert("user_sessions", mine);
  await tables.insert("user_sessions", [
    sessionRow({ session: "s-other", user: "usr_2" }),
    sessionRow({ session: "s-ci", tenant: "molam-ci" }),
  ]);
  const { edge, response } = await exported();
  assert.equal(response.statusCode, 200, response.body.slice(0, 500));
  assert.match(String(response.headers["content-type"]), /^application\/json/);
  assert.match(String(response.headers["content-disposition"]), /^attachment/);
  assert.equal(response.headers["cache-control"], "no-store");
  const document = response.json();
  assert.equal(document.complete, true);
  assert.deepEqual(
    Object.keys(document.data),
    exportedTables.map(({ table }) => table),
  );
  const sessions = document.data.user_sessions;
  assert.deepEqual(
    sessions.map((row: { session_key: string }) => row.session_key).sort(),
    mine.map((row) => row.session_key).sort(),
  );
  assert.equal(sessions[0].created_at, new Date(NOW_MS).toISOString());
  assert.equal(document.data.users[0].external_id, "usr_1");
  assert.equal(document.data.user_devices[0].external_id, "d-1");
  assert.partialDeepStrictEqual(edge.audit.entries[0], {
    action: "privacy.exported",
    subjectUserId: "usr_1",
  });
});

test("every column that is exported is explained, and who acted is withheld", async () => {
  await addPerson(tables, "molam-sn", "usr_1");
  await tables.insert("session_revocations", [
    {
      ...ids("molam-sn", "usr_1"),
      id: uuidOf("molam-sn", "revocation", "r-1"),
      session_id: uuidOf("molam-sn", "session", "s-1"),
      revocation_id: "r-1",
      revoked_at: new Date(NOW_MS).toISOString(),
      reason: "admin",
      actor_type: "ADMIN",
      actor_id: "adm_77",
    },
  ]);
  const { response } = await exported();
  const document = response.json();
  const [row] = document.data.session_revocations;
  const told = document.tables.session_revocations;
  assert.deepEqual(Object.keys(row).sort(), Object.keys(told.columns).sort());
  assert.equal(told.withheld.actor_id !== undefined, true);
  assert.equal(response.body.includes("adm_77"), false);
});

test("what geo holds is told, and no position, number or secret", async () => {
  const rows = { ...ids("molam-sn", "usr_1") };
  const id = uuidOf("molam-sn", "event", "l-1");
  const at = new Date(NOW_MS).toISOString();
  const bytes = `\\x${"5e".repeat(32)}`;
  await tables.insert("molam_user_geo_prefs", [
    { ...rows, gps_opt_in: true, precision_level: 7, updated_at: at },
  ]);
  await tables.insert("molam_geo_last_context", [
    { ...rows, source: "gps", geohash: "edeedfx", is_vpn: false, is_mobile: true, captured_at: at },
  ]);
  await tables.insert(
    "molam_geo_events",
    ["usr_1", "usr_2"].map((user) => ({
      ...ids("molam-sn", user),
      id: uuidOf("molam-sn", "event", user),
      event_type: "vpn_detected",
      occurred_at: at,
      city: user,
      details: {},
    })),
  );
  const link = { ...rows, id, user_key: "usr_1", country_code: "SN", linked_at: at };
  const phone = { phone_hash: "5e".repeat(32), key_id: "k-1", sealed_phone: bytes };
  await tables.insert("ussd_links", [{ ...link, ...phone }]);
  await tables.insert("ussd_pins", [
    { ...rows, sealed_hash: bytes, set_at: at, tries: 1, locks: 0 },
  ]);
  await tables.insert("ussd_reset_codes", [
    { ...rows, code_hash: bytes, expires_at: at, tries: 0 },
  ]);
  await tables.owner.query(
    `insert into molam_gps_ephemeral (tenant_id, user_id, id, wrapped_key, sealed, expires_at)
     values ($1, $2, $3, $4, $4, now() + interval '1 hour')`,
    [rows.tenant_id, rows.user_id, id, bytes],
  );
  const { response } = await exported();
  const { data, tables: told, complete } = response.json();
  assert.equal(complete, true, response.body.slice(-500));
  for (const table of Object.keys(data).filter((name) => /^(molam|ussd)_/.test(name))) {
    assert.equal(data[table].length, 1, table);
    assert.deepEqual(Object.keys(data[table][0]), Object.keys(told[table].columns), table);
  }
  assert.equal(data.molam_geo_last_context[0].geohash, "edeedfx");
  assert.equal(data.molam_geo_events[0].city, "usr_1");
  assert.equal(response.body.includes("5e5e5e"), false);
});

test("a table or column that holds people's data and is not in the export is found", async () => {
  const { rows } = await tables.owner.query<{ table: string; column: string }>(
    `select c.table_name as table, c.column_name as column
       from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
      where c.table_schema = current_schema() and t.table_type = 'BASE TABLE'
        and c.table_name !~ '_[0-9]{8}$'`,
  );
  const found = new Map<string, string[]>();
  for (const { table, column } of rows) found.set(table, [...(found.get(table) ?? []), column]);
  const ofPeople = [...found].filter(
    ([table, columns]) =>
      table === "users" || (columns.includes("user_id") && !tablesOfElsewhere.includes(table)),
  );
  const named = exportedTables.map(
    ({ table, columns, withheld }) =>
      [table, [...Object.keys(columns), ...Object.keys(withheld)]] as [string, string[]],
  );
  const sorted = (all: readonly [string, string[]][]) =>
    Object.fromEntries(all.map(([table, columns]) => [table, columns.toSorted()]).toSorted());
  assert.deepEqual(sorted(named), sorted(ofPeople));
});

test("whom nothing is known of gets an export without rows", async () => {
  const { response } = await exported();
  const { data, complete } = response.json();
  assert.equal(complete, true);
  for (const { table } of exportedTables) assert.deepEqual(data[table], [], table);
});

test("an export is of persons, needs the tables and is put on record, or is not given", async () => {
  const service = await exported({}, { scope: "id:admin" });
  assert.equal(service.response.json().code, "VIG_PERSON_ONLY");
  const without = await exported({ database: null });
  assert.equal(without.response.json().code, "VIG_DATABASE_UNSET");
  assert.equal(without.edge.audit.entries.length, 0);
  const audit = {
    ...memoryAudit(),
    record: () => Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "away" })),
  };
  const unrecorded = await exported({ audit });
  assert.equal(unrecorded.response.json().code, "VIG_AUDIT_WRITE_FAILED");
});

test("none is made to be thrown away", async () => {
  await addPerson(tables, "molam-sn", "usr_1");
  const edge = testEdge({ database: tables.edge });
  const headers = await bearer({ ...me });
  const response = await edge.app.inject({ method: "HEAD", url: URL, headers });
  assert.equal(response.statusCode, 405);
  assert.deepEqual(edge.audit.entries, []);
});

test("an export that breaks off is no JSON", async () => {
  await addPerson(tables, "molam-sn", "usr_1");
  let calls = 0;
  const inTenant: typeof tables.edge.inTenant = (tenantId, work) => {
    calls += 1;
    if (calls < 4) return tables.edge.inTenant(tenantId, work);
    return Promise.reject(new VigError("VIG_DATABASE_AWAY", { why: "gone" }));
  };
  const body = await exported({ database: { ...tables.edge, inTenant } }).then(
    ({ response }) => response.body,
    () => "",
  );
  assert.throws(() => JSON.parse(body));
});
