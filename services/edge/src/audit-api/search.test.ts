import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { describe, test } from "vitest";
import { bearer, NOW_MS, type TestEdge, testEdge } from "../test-edge.ts";
import { smallLog, TENANT } from "./test-log.ts";

const URL = "/api/id/admin/audit";
const auditor = { tenant_id: TENANT, sub: "aud_1", user_type: "INTERNAL", scope: "id:audit" };
const platform = { ...auditor, scope: "id:audit platform:admin" };

type Overrides = Parameters<typeof testEdge>[0];

const edgeOver = (made = smallLog(), more: Overrides = {}): TestEdge =>
  testEdge({ auditLog: made.inMemory(), ...more });

async function get(edge: TestEdge, query = "", claims: object = auditor) {
  return edge.app.inject({ url: `${URL}${query}`, headers: await bearer({ ...claims }) });
}

async function indexes(edge: TestEdge, query = "", claims: object = auditor) {
  const response = await get(edge, query, claims);
  assert.equal(response.statusCode, 200, response.body);
  return response.json().entries.map(({ index }: { index: number }) => index);
}

describe("AUD-05: who may search in the audit", () => {
  test.each([
    ["no scope", { ...auditor, scope: "" }],
    ["an administrator", { ...auditor, scope: "id:admin", roles: ["super-admin"] }],
    ["a platform administrator who is no auditor", { ...auditor, scope: "platform:admin" }],
  ])("%s may not, and is put on record", async (_name, claims) => {
    const edge = edgeOver();
    const response = await get(edge, "", claims);
    assert.equal(response.json().code, "VIG_SCOPE_MISSING");
    await edge.app.close();
    assert.equal(edge.audit.refusals.length, 1);
    assert.equal(edge.audit.entries.length, 0);
  });

  test("an auditor sees the own tenant, the newest first", async () => {
    const edge = edgeOver();
    assert.deepEqual(await indexes(edge), [5, 4, 3, 2, 0].sort(byTime));
    assert.deepEqual(await indexes(edge, "", { ...auditor, tenant_id: "molam-ci" }), [1]);
  });

  test("TEN-02: another tenant is not there, and all are for the platform's own", async () => {
    const edge = edgeOver();
    const other = await get(edge, "?tenant=molam-ci");
    assert.equal(other.json().code, "VIG_NOT_FOUND");
    assert.equal((await get(edge, "?tenant=*")).json().code, "VIG_SCOPE_MISSING");
    assert.equal(edge.audit.refusals.length, 2);
    assert.deepEqual(await indexes(edge, "?tenant=molam-ci", platform), [1]);
    assert.equal((await indexes(edge, "?tenant=*", platform)).length, 6);
  });

  test("without a database it says so", async () => {
    const response = await get(testEdge());
    assert.equal(response.json().code, "VIG_DATABASE_UNSET");
  });
});

/** smallLog's leaves are a second apart, but for the last, which is of a second ago. */
const byTime = (one: number, other: number): number => other - one;

describe("what is asked for", () => {
  test.each([
    ["?action=policy.updated", [2]],
    ["?subject=usr_1", [0]],
    ["?subject=usr_2", [3]],
    ["?actor=adm_1", [2, 0]],
    ["?actor=sessions", [5, 4]],
    ["?impersonation=true", [3]],
    ["?actor=adm_2&impersonation=true", [3]],
    ["?impersonation=false&action=policy.updated", [2]],
    ["?actor=nobody", []],
    ["?subject=nobody", []],
    [`?from=${iso(-4_000)}&to=${iso(-2_000)}`, [3, 2]],
  ])("%s", async (query, wanted) => {
    assert.deepEqual(await indexes(edgeOver(), query), wanted);
  });

  test("a person is asked for by ref as well", async () => {
    const made = smallLog();
    const { ref } = made.subjectOf(TENANT, "usr_1");
    assert.deepEqual(await indexes(edgeOver(made), `?subject=${ref}`), [0]);
  });

  test("pages follow each other without a gap", async () => {
    const edge = edgeOver();
    const seen: number[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const more: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const response = await get(edge, `?limit=2${more}`);
      const page = response.json();
      seen.push(...page.entries.map(({ index }: { index: number }) => index));
      cursor = page.next;
    }
    assert.deepEqual(seen, [5, 4, 3, 2, 0]);
  });

  test.each([
    "?limit=0",
    "?limit=201",
    "?cursor=x",
    "?cursor=LTEuMQ",
    "?from=yesterday",
    "?to=2026-02-31T00:00:00Z",
    "?impersonation=perhaps",
    "?tenant=a|b",
    "?action=DROP%20TABLE",
    "?actor=%00",
    "?surprise=1",
  ])("%s is refused", async (query) => {
    const edge = edgeOver();
    const response = await get(edge, query);
    assert.equal(response.statusCode, 400, response.body);
    assert.equal(response.json().code, "VIG_QUERY_INVALID");
    assert.deepEqual(edge.audit.entries, []);
  });
});

function iso(ms: number): string {
  return new Date(NOW_MS + ms).toISOString();
}

describe("what is answered", () => {
  test("AUD-03, AUD-04: an entry with its actor, payload and persons", async () => {
    const made = smallLog();
    const [entry] = (await get(edgeOver(made), "?subject=usr_1")).json().entries;
    const [actor, subject] = [made.subjectOf(TENANT, "adm_1"), made.subjectOf(TENANT, "usr_1")];
    assert.partialDeepStrictEqual(entry, {
      index: 0,
      tenant_id: TENANT,
      action: "session.revoked",
      occurred_at: iso(-6_000),
      actor: { type: "ADMIN", ref: actor.ref, id: null },
      subject: subject.ref,
      is_impersonation: false,
      payload: { reason: "lost_phone" },
    });
    const persons = new Map(entry.persons.map((each: { ref: string }) => [each.ref, each]));
    assert.deepEqual(persons.get(actor.ref), {
      ref: actor.ref,
      state: "opened",
      data: { actor_id: "adm_1", ip: "41.82.0.17", user_agent: "Molam/4.12" },
    });
    assert.deepEqual(persons.get(subject.ref), {
      ref: subject.ref,
      state: "opened",
      data: { subject_user_id: "usr_1" },
    });
  });

  test("AUD-12: what was done as somebody else says who and as whom", async () => {
    const made = smallLog();
    const [entry] = (await get(edgeOver(made), "?impersonation=true")).json().entries;
    assert.equal(entry.impersonator, made.subjectOf(TENANT, "adm_2").ref);
    assert.equal(entry.impersonated, made.subjectOf(TENANT, "usr_2").ref);
  });

  test("CNF-20: what an erased person left is shown as erased", async () => {
    const { entries } = (await get(edgeOver())).json();
    const erased = entries.find(({ index }: { index: number }) => index === 4);
    assert.equal(erased.payload, null);
    assert.deepEqual(
      erased.persons.map(({ state, data }: { state: string; data: unknown }) => [state, data]),
      [["erased", null]],
    );
    assert.ok(!JSON.stringify(entries).includes("usr_3"));
  });

  test("an edge without keys says that what it shows is sealed", async () => {
    const auditLog = smallLog().inMemory({ canOpen: false });
    const made = { ...auditLog, opened: async () => [] };
    const [entry] = (await get(testEdge({ auditLog: made }), "?subject=usr_1")).json().entries;
    assert.deepEqual([...new Set(entry.persons.map(stateOf))], ["sealed"]);
  });
});

const stateOf = ({ state }: { readonly state: string }): string => state;

describe("a look into the audit is itself audited", () => {
  test("before it is answered, with refs in place of names", async () => {
    const made = smallLog();
    const edge = edgeOver(made);
    await get(edge, "?subject=usr_1&actor=adm_1&limit=3");
    const [record] = edge.audit.entries;
    assert.equal(record?.action, "audit.searched");
    assert.equal(record?.subjectUserId, "usr_1");
    const refOf = (user: string) => made.subjectOf(TENANT, user).ref;
    assert.deepEqual(record?.payload, {
      filter: { tenant: TENANT, actor: refOf("adm_1"), subject: refOf("usr_1") },
      limit: 3,
      is_first_page: true,
    });
  });

  test.each(["?actor=usr_77", "?subject=usr_77"])(
    "%s, of whom there is nothing, is not named",
    async (query) => {
      const edge = edgeOver();
      await get(edge, query);
      assert.equal(edge.audit.entries[0]?.subjectUserId, null);
      assert.ok(!JSON.stringify(edge.audit.entries[0]?.payload).includes("usr_77"));
    },
  );

  test("who looks for a person in all tenants is on record with whom they looked for", async () => {
    const made = smallLog();
    const edge = edgeOver(made);
    const { ref } = made.subjectOf(TENANT, "usr_1");
    await get(edge, `?tenant=*&subject=${ref}`, platform);
    await get(edge, "?tenant=*&subject=usr_1", platform);
    const filters = edge.audit.entries.map(({ payload }) => payload.filter);
    assert.deepEqual(filters, [{ subject: ref }, { subject: "other" }]);
    assert.equal(edge.audit.entries[0]?.subjectUserId, null);
  });

  test("another tenant's person is not named in the own tenant's record", async () => {
    const edge = edgeOver();
    await get(edge, "?tenant=molam-ci&subject=usr_1", platform);
    assert.equal(edge.audit.entries[0]?.subjectUserId, null);
  });

  test("a look that cannot be put on record is not answered", async () => {
    const audit = {
      ...memoryAudit(),
      record: () => Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "away" })),
    };
    const edge = edgeOver(smallLog(), { audit });
    for (const query of ["", "/entries/0", "/export"]) {
      const response = await get(edge, query);
      assert.equal(response.statusCode, 503, response.body);
      assert.equal(response.json().code, "VIG_AUDIT_WRITE_FAILED");
    }
  });
});
