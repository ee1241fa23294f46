import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { tenantUuid } from "@vigie/service-kit/ids";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { lockOffsets, storeOffsets } from "@vigie/service-kit/postgres/sink-offsets";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";

/** What a stolen login of geo could do in the tables of all services. */

let servers: ServiceStack;
beforeAll(async () => {
  servers = await serviceStack();
});
afterAll(() => servers.close());

interface Right {
  readonly name: string;
  readonly rights: string;
}

/** Source: aclexplode gives what was granted by name; nothing is granted to all (PUBLIC). */
const GRANTED = `
  select relname as name, string_agg(lower(privilege_type), ' ' order by privilege_type) as rights
    from pg_class, aclexplode(relacl)
   where relnamespace = current_schema()::regnamespace and grantee = 'vigie_geo'::regrole
   group by relname order by relname`;
const COLUMNS = `
  select distinct relname as name, lower(privilege_type) as rights
    from pg_attribute join pg_class on pg_class.oid = attrelid, aclexplode(attacl)
   where relnamespace = current_schema()::regnamespace and grantee = 'vigie_geo'::regrole
   order by 1, 2`;

test("geo has its own tables, and of others' no more than it needs", async () => {
  const { rows } = await servers.owner.query<Right>(GRANTED);
  const others = rows.filter(({ name }) => !/^(molam_|ussd_)/.test(name));
  assert.deepEqual(others, [
    { name: "erasure_parts", rights: "insert" },
    { name: "erasures", rights: "select" },
    { name: "outbox", rights: "delete insert select" },
    { name: "sink_offsets", rights: "insert select update" },
  ]);
  const columns = await servers.owner.query<Right>(COLUMNS);
  assert.deepEqual(
    columns.rows.filter(({ name }) => !/^(molam_|ussd_)/.test(name)),
    [{ name: "user_sessions", rights: "select" }],
  );
  const tooMuch = rows.filter(({ rights }) => /truncate|references|trigger/.test(rights));
  assert.deepEqual(tooMuch, []);
});

test("each of its tables shows one tenant at a time", async () => {
  const { rows } = await servers.owner.query<{ name: string }>(
    `select distinct relname as name from pg_class, aclexplode(relacl)
      where relnamespace = current_schema()::regnamespace and grantee = 'vigie_geo'::regrole
        and relkind = 'r' and not relrowsecurity order by 1`,
  );
  // The matrix is of all tenants, and purges name nobody.
  assert.deepEqual(
    rows.map(({ name }) => name),
    ["molam_country_matrix", "molam_gps_purges"],
  );
});

test("it takes on no other role", async () => {
  const { rows } = await servers.owner.query(
    `select roleid::regrole from pg_auth_members where member = 'vigie_geo'::regrole`,
  );
  assert.deepEqual(rows, []);
});

/** With the rights of a service. */
function loginOf(role: string): Database {
  const login = openDatabase({
    url: servers.postgres,
    schema: servers.schema,
    role,
    applicationName: "rights-test",
    statementTimeoutMs: 15_000,
    poolMax: 1,
    log: silentLogger,
  });
  onTestFinished(() => login.close());
  return login;
}

const PARTS = ["edge", "sessions", "detector", "session-sink", "audit-sink", "geo"];

test.each([
  ["edge", ["edge"]],
  ["geo", ["geo"]],
  ["audit-sink", ["audit-sink"]],
  // The stateful services have no database: they tell the sink on a topic.
  ["session-sink", ["sessions", "detector", "session-sink"]],
])("PRV-14: %s says of an erasure that %j did it, and nothing for others", async (service, own) => {
  await servers.owner.query("delete from erasure_parts");
  const login = loginOf(`vigie_${service.replace("-", "_")}`);
  for (const part of PARTS) {
    const told = login.inTenant("molam-sn", (tx) =>
      tx.query("insert into erasure_parts (tenant_id, erasure_id, part) values ($1, 'e-1', $2)", [
        tenantUuid("molam-sn"),
        part,
      ]),
    );
    if (own.includes(part)) await told;
    else await assert.rejects(told, /row-level security/, part);
  }
  const { rows } = await servers.owner.query<{ part: string }>("select part from erasure_parts");
  assert.deepEqual(
    rows.map(({ part }) => part),
    own,
  );
});

test.each(["geo", "session-sink", "audit-sink"])(
  "%s moves its own offsets and nobody else's",
  async (service) => {
    const { owner } = servers;
    const group = `vigie.${service}`;
    await owner.query("delete from sink_offsets");
    await owner.query("insert into sink_offsets values ('vigie.other', 'id.login', 0, 5)");
    const login = loginOf(`vigie_${service.replace("-", "_")}`);
    const next = [{ topic: "id.login", partition: 0, from: 0, offset: 9 }];
    await storeOffsets(login, group, next);
    assert.deepEqual(await lockOffsets(login, group, next), [
      { topic: "id.login", partition: 0, offset: 9 },
    ]);
    await assert.rejects(storeOffsets(login, "vigie.new", next), /row-level security/);
    const moved = await login.query("update sink_offsets set next_offset = 0");
    assert.equal(moved.count, 1);
    const { rows } = await owner.query(
      "select next_offset from sink_offsets where group_id = 'vigie.other'",
    );
    assert.deepEqual(rows, [{ next_offset: 5 }]);
  },
);
