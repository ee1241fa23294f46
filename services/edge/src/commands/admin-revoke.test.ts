import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { nameUuid } from "@vigie/service-kit/ids";
import type { Database } from "@vigie/service-kit/postgres/database";
import { describe, expect, test } from "vitest";
import { bearer } from "../test-edge.ts";
import { type CommandEdge, commandEdge } from "./test-processor.ts";

const URL = "/api/id/admin/sessions/revoke";
const ADMIN = { sub: "admin-1", sid: "s-a", user_type: "INTERNAL", scope: "id:admin" };
const PLATFORM = { ...ADMIN, sub: "root", scope: "id:admin platform:admin" };
const LIVING = { "u-1": ["s-1", "s-2"] };

async function revoke(
  { app }: CommandEdge,
  payload: object,
  claims: Record<string, unknown> = ADMIN,
  headers: Record<string, string> = {},
) {
  return app.inject({
    method: "POST",
    url: URL,
    headers: { ...(await bearer(claims)), ...headers },
    payload,
  });
}

/** A database that must not be asked. */
const noDatabase = {
  inTenant: () => assert.fail("the database was asked"),
} as unknown as Database;

describe("REV-03: one user", () => {
  test.each([
    [{ user_id: "u-1" }, { kind: "REVOKE_ALL", keep_session_id: null }],
    [
      { user_id: "u-1", session_id: "s-2" },
      { kind: "REVOKE_SESSION", session_id: "s-2" },
    ],
    [
      { user_id: "u-1", device_id: "d-2" },
      { kind: "REVOKE_DEVICE", device_id: "d-2" },
    ],
    [
      { user_id: "u-1", channel: "web" },
      { kind: "REVOKE_CHANNEL", channel: "WEB" },
    ],
  ])("%o is one command, audited before it is answered", async (filter, command) => {
    const edge = commandEdge(LIVING);
    const response = await revoke(edge, { filter, reason: "stolen_phone" });
    assert.equal(response.statusCode, 200, response.body);
    assert.equal(response.json().status, "done");
    expect(edge.commands).toMatchObject([
      {
        ...command,
        user_id: "u-1",
        reason: "stolen_phone",
        actor: { type: "ADMIN", id: "admin-1" },
      },
    ]);
    expect(edge.audit.entries).toMatchObject([
      {
        action: "session.revoke_requested",
        actorType: "ADMIN",
        subjectUserId: "u-1",
        payload: { acts_by: "user", filter, reason: "stolen_phone" },
      },
    ]);
  });

  test("one session is spared when asked for", async () => {
    const edge = commandEdge(LIVING);
    const response = await revoke(edge, { filter: { user_id: "u-1" }, keep_session_id: "s-1" });
    assert.equal(response.json().terminated_count, 1);
    assert.equal(edge.commands[0]?.keep_session_id, "s-1");
  });

  test("it works while PostgreSQL is away", async () => {
    const away = {
      inTenant: () => Promise.reject(new VigError("VIG_DATABASE_AWAY", { why: "planted" })),
    } as unknown as Database;
    const edge = commandEdge(LIVING, { database: away });
    const response = await revoke(edge, { filter: { user_id: "u-1", device_id: "d-1" } });
    assert.equal(response.statusCode, 200, response.body);
    // What only PostgreSQL can read is not taken for somebody's own id.
    for (const kind of ["user", "session", "device"] as const) {
      const filter = { user_id: "u-1", [`${kind}_id`]: nameUuid("molam-sn", kind, "x-1") };
      assert.equal((await revoke(edge, { filter })).statusCode, 503);
    }
    assert.equal(edge.commands.length, 1);
  });

  test("without an audit record nothing is done", async () => {
    const audit = {
      ...memoryAudit(),
      record: () => Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "planted" })),
    };
    const edge = commandEdge(LIVING, { audit });
    const response = await revoke(edge, { filter: { user_id: "u-1" } });
    assert.equal(response.statusCode, 503);
    assert.equal(response.json().code, "VIG_AUDIT_WRITE_FAILED");
    assert.deepEqual(edge.commands, []);
  });

  test("REV-05: the same call 50 times at once is one command, one outcome, one record", async () => {
    const edge = commandEdge(LIVING);
    const headers = { "idempotency-key": "k-1" };
    const calls = Array.from({ length: 50 }, () =>
      revoke(edge, { filter: { user_id: "u-1" } }, ADMIN, headers),
    );
    const answers = (await Promise.all(calls)).map(({ body }) => body);
    assert.equal(new Set(answers).size, 1);
    assert.equal(edge.commands.length, 1);
    assert.equal(edge.audit.entries.length, 1);
    await revoke(edge, { filter: { user_id: "u-1" } }, { ...ADMIN, sub: "admin-2" }, headers);
    assert.equal(edge.commands.length, 2);
  });
});

describe("who may", () => {
  const filter = { user_id: "u-1" };

  test.each([
    ["SEC-02: a person", { ...ADMIN, scope: "" }, "VIG_SCOPE_MISSING"],
    ["SUB-01: a subsidiary's service", { sub: "pay", scope: "id:introspect" }, "VIG_SCOPE_MISSING"],
    ["REV-06: a subsidiary's administrator", { ...ADMIN, org_id: "pay" }, "VIG_ID_DOMAIN_ONLY"],
    [
      "a subsidiary's super-admin",
      { ...ADMIN, org_id: "pay", scope: "", roles: ["super-admin"] },
      "VIG_ID_DOMAIN_ONLY",
    ],
  ])("%s may not, and the attempt is put on record", async (_who, claims, code) => {
    const edge = commandEdge(LIVING);
    const response = await revoke(edge, { filter }, claims);
    assert.equal(response.statusCode, 403);
    assert.equal(response.json().code, code);
    assert.deepEqual(edge.commands, []);
    expect(edge.audit.refusals).toMatchObject([{ payload: { fault: code } }]);
  });

  test.each([
    ["an administrator", ADMIN],
    ["one of the ID domain's organisation", { ...ADMIN, org_id: "id" }],
    ["CNF-31: a super-admin", { ...ADMIN, scope: "", roles: ["super-admin"] }],
    ["a service of administrators", { sub: "console", scope: "id:admin" }],
  ])("%s may", async (_who, claims) => {
    assert.equal((await revoke(commandEdge(LIVING), { filter }, claims)).statusCode, 200);
  });

  test("TEN-01: a user is looked for in the administrator's own tenant only", async () => {
    const edge = commandEdge(LIVING);
    await revoke(edge, { filter }, { ...ADMIN, tenant_id: "other" });
    assert.equal(edge.commands[0]?.tenant_id, "other");
    assert.deepEqual(edge.keys, ["other|u-1"]);
  });

  test.each([
    ["an administrator names another tenant", { tenant_id: "other" }, ADMIN],
    [
      "one of the platform names another tenant's user",
      { ...filter, tenant_id: "other" },
      PLATFORM,
    ],
    [
      "one of the platform names another tenant's country",
      { country: "SN", tenant_id: "o" },
      PLATFORM,
    ],
  ])("TEN-01: %s", async (_what, reaching, claims) => {
    const edge = commandEdge(LIVING, { database: noDatabase });
    const response = await revoke(edge, { filter: reaching }, claims);
    assert.equal(response.json().code, "VIG_NOT_FOUND");
    assert.deepEqual([edge.commands, edge.audit.entries], [[], []]);
    expect(edge.audit.refusals).toMatchObject([{ payload: { fault: "VIG_NOT_FOUND" } }]);
  });

  test("TEN-04: an X-Tenant-ID that disagrees is refused", async () => {
    const edge = commandEdge(LIVING);
    const response = await revoke(edge, { filter }, ADMIN, { "x-tenant-id": "other" });
    assert.equal(response.json().code, "VIG_TENANT_MISMATCH");
  });
});

describe("a filter that is none", () => {
  test.each([
    [{}],
    [{ filter: {} }],
    [{ filter: { user: "u-1" } }],
    [{ filter: { user_id: "" } }],
    [{ filter: { user_id: { $ne: null } } }],
    [{ filter: { user_id: ["u-1"] } }],
    [{ filter: { user_id: 7 } }],
    [{ filter: { user_id: "a|b" } }],
    [{ filter: { user_id: "\ud800" } }],
    // 65 characters, but 130 units of UTF-16: Kafka's readers would refuse it.
    [{ filter: { user_id: "\u{1f600}".repeat(65) } }],
    [{ filter: { user_id: "u-1" }, reason: "\udfff" }],
    [{ filter: { user_id: "u-1", __proto__x: 1 } }],
    [{ filter: { channel: "fax" } }],
    [{ filter: { country: "SN' or 1=1 --" } }],
    [{ filter: { tenant_id: "*" } }],
    [{ filter: { user_id: "u-1" }, dry_run: "yes" }],
    [{ filter: { user_id: "u-1" }, dryrun: true }],
    [{ filter: { org_id: "pay" }, keep_session_id: "s-1" }],
    [{ filter: { user_id: "u-1", device_id: "d" }, keep_session_id: "s-1" }],
    [{ filter: { user_id: "u-1" }, after: "00000000-0000-0000-0000-000000000000" }],
    [{ filter: { country: "SN" }, after: "x' or 1=1" }],
  ])("%j is refused whole", async (payload) => {
    const edge = commandEdge(LIVING, { database: noDatabase });
    const response = await revoke(edge, payload);
    assert.equal(response.statusCode, 400, response.body);
    assert.equal(response.json().code, "VIG_BODY_INVALID");
    assert.deepEqual([edge.commands, edge.audit.entries], [[], []]);
  });

  test("text of another language is a user's name and nothing else", async () => {
    const edge = commandEdge(LIVING);
    const userId = "u-1'; drop table users; --";
    const response = await revoke(edge, { filter: { user_id: userId } });
    assert.equal(response.statusCode, 200);
    assert.equal(edge.commands[0]?.user_id, userId);
    assert.equal(response.json().terminated_count, 0);
  });
});

test.each([
  [{ org_id: "pay" }],
  [{ role: "teller" }],
  [{ channel: "ussd" }],
  [{ tenant_id: "molam-sn" }],
  [{ device_id: "d-1" }],
])("without a database %j is answered 503, and nothing is done", async (filter) => {
  const edge = commandEdge(LIVING);
  const response = await revoke(edge, { filter });
  assert.equal(response.json().code, "VIG_DATABASE_UNSET");
  assert.deepEqual(edge.commands, []);
});
