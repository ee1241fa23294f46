import assert from "node:assert/strict";
import { DAY_MS } from "@vigie/core/time";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Place } from "@vigie/service-kit/keyset";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { bearer, NOW_MS, testEdge } from "../test-edge.ts";
import { SCAN_MAX, type SessionFilter } from "./session-search.ts";
import { searchSessions } from "./sessions-read.ts";
import { addPerson, ids, sessionRow, type TestTables, testTables } from "./test-tables.ts";

const TENANT = "molam-sn";

let tables: TestTables;
beforeAll(async () => {
  tables = await testTables();
});
afterAll(() => tables.close());
beforeEach(() => tables.clear());

type Row = ReturnType<typeof sessionRow>;

/** Few values, so that filters meet, and many sessions begin in the same millisecond. */
const rowSeeds = fc.record({
  user: fc.constantFrom("usr_1", "usr_2"),
  device: fc.constantFrom(undefined, "d-1", "d-2"),
  createdMs: fc.integer({ min: -20, max: 0 }),
  status: fc.constantFrom("ACTIVE", "REVOKED", "PENDING"),
  country: fc.constantFrom("SN", "FR", null),
  org: fc.constantFrom(null, "pay"),
  risk: fc.constantFrom(0, 40, 95),
  type: fc.constantFrom("mobile", "ussd"),
});

const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 2 });
const instants = fc.integer({ min: -20, max: 1 }).map((ms) => NOW_MS + ms);
const filters = fc.record({
  userId: maybe(fc.constant(ids(TENANT, "usr_1").user_id)),
  deviceId: maybe(fc.constant(uuidOf(TENANT, "device", "d-1"))),
  orgId: maybe(fc.constant("pay")),
  riskMin: maybe(fc.constantFrom(1, 50)),
  country: maybe(fc.constant("FR")),
  status: maybe(fc.constant("ACTIVE")),
  sessionType: maybe(fc.constant("ussd")),
  createdFromMs: maybe(instants),
  createdUntilMs: maybe(instants),
  activeUntilMs: maybe(instants),
});

/** The same filter, in other words than SQL. */
function passes(row: Row, filter: Partial<Record<keyof SessionFilter, unknown>>): boolean {
  const createdMs = Date.parse(row.created_at);
  const is = (name: keyof SessionFilter, value: unknown): boolean =>
    filter[name] === undefined || filter[name] === value;
  const atLeast = (value: number, bound: unknown): boolean =>
    bound === undefined || value >= Number(bound);
  const below = (value: number, bound: unknown): boolean =>
    bound === undefined || value < Number(bound);
  return (
    row.status !== "PENDING" &&
    is("userId", row.user_id) &&
    is("deviceId", row.device_id) &&
    is("orgId", row.org_id) &&
    is("country", row.country) &&
    is("status", row.status) &&
    is("sessionType", row.session_type) &&
    atLeast(row.risk_score, filter.riskMin) &&
    atLeast(createdMs, filter.createdFromMs) &&
    below(createdMs, filter.createdUntilMs) &&
    below(Date.parse(row.last_activity), filter.activeUntilMs)
  );
}

const newestFirst = (a: Row, b: Row): number =>
  a.created_at === b.created_at ? (a.id < b.id ? 1 : -1) : a.created_at < b.created_at ? 1 : -1;

type Search = (
  filter: SessionFilter,
  page: Parameters<typeof searchSessions>[3],
) => ReturnType<typeof searchSessions>;

/** Fails unless every page of every filter gives the sessions that pass it, once and in order. */
async function everyRowOnce(searched: Search, seed?: number): Promise<void> {
  let count = 0;
  const rowOf = (drawn: (typeof seeds)[number], createdMs = drawn.createdMs): Row =>
    sessionRow({
      session: `s-${count++}`,
      user: drawn.user,
      createdMs,
      ...(drawn.device !== undefined && { device: drawn.device }),
      row: {
        status: drawn.status,
        country: drawn.country,
        org_id: drawn.org,
        risk_score: drawn.risk,
        session_type: drawn.type,
      },
    });
  const seeds = fc.sample(rowSeeds, 120);
  await addPerson(tables, TENANT, "usr_1", ["d-1", "d-2"]);
  await addPerson(tables, TENANT, "usr_2", ["d-1", "d-2"]);
  const rows = seeds.map((drawn) => rowOf(drawn));
  await tables.insert("user_sessions", rows);
  let laterMs = 1;

  const limits = fc.integer({ min: 1, max: 9 });
  const scans = fc.integer({ min: 1, max: 40 });
  const property = fc.asyncProperty(
    filters,
    limits,
    scans,
    fc.infiniteStream(rowSeeds),
    async (filter, limit, scanMax, newcomers) => {
      const expected = rows.filter((row) => passes(row, filter)).sort(newestFirst);
      const seen: string[] = [];
      let after: Place | null = null;
      do {
        const page = await searched(filter as SessionFilter, { after, limit, scanMax });
        assert.ok(page.items.length <= limit);
        seen.push(...page.items.map(({ id }) => id));
        after = page.next;
        // Somebody signs in between two pages.
        const [drawn] = newcomers.take(1);
        assert.ok(drawn);
        const fresh = rowOf(drawn, laterMs++);
        await tables.insert("user_sessions", [fresh]);
        rows.push(fresh);
      } while (after !== null);
      const wanted = expected.map(({ id }) => id);
      assert.deepEqual(
        seen.filter((id) => wanted.includes(id)),
        wanted,
      );
      assert.equal(new Set(seen).size, seen.length);
    },
  );
  await fc.assert(property, { numRuns: 40, ...(seed !== undefined && { seed }) });
}

test("paging through any filter gives every row once, in order, while sessions begin", () =>
  everyRowOnce((filter, page) => search(filter, page)));

const NIL = "00000000-0000-0000-0000-000000000000";

test("a search that went on after a time alone, or looked at too few rows, would be found out", async () => {
  const byTime: Search = (filter, { after, ...page }) =>
    search(filter, { ...page, after: after && { ...after, id: NIL } });
  await assert.rejects(everyRowOnce(byTime, 1));
  await tables.clear();
  const short: Search = async (filter, page) => {
    const found = await search(filter, page);
    return { ...found, next: found.items.length < page.limit ? null : found.next };
  };
  await assert.rejects(everyRowOnce(short, 1));
});

test("a session that may be alive is found behind more ended ones than a page looks at", async () => {
  await addPerson(tables, TENANT, "usr_1");
  const ended = Array.from({ length: SCAN_MAX }, (_, i) =>
    sessionRow({ session: `s-${i}`, row: { status: "REVOKED" } }),
  );
  const alive = sessionRow({ session: "s-alive", createdMs: -DAY_MS });
  await tables.insert("user_sessions", [...ended, alive]);
  const filter = { userId: ids(TENANT, "usr_1").user_id, status: "ACTIVE" };
  const { items, next } = await search(filter, { after: null, limit: 10 });
  assert.deepEqual([items.map(({ id }) => id), next], [[alive.id], null]);
});

test("a place that was tampered with shows other rows of the same filter, and nobody else's", async () => {
  await addPerson(tables, TENANT, "usr_1");
  await addPerson(tables, "molam-ci", "usr_1");
  await tables.insert("user_sessions", [
    sessionRow({ session: "s-1" }),
    sessionRow({ session: "s-ci", tenant: "molam-ci" }),
  ]);
  const after = { atMs: NOW_MS + 1_000, id: uuidOf("molam-ci", "session", "s-ci") };
  const page = await search({}, { after, limit: 10 });
  assert.deepEqual(
    page.items.map(({ session_key }) => session_key),
    ["s-1"],
  );
});

test.each([
  "usr_1' or '1'='1",
  'usr_1"; drop table user_sessions; --',
  "$1",
  "%",
  "usr_1') union select * from users --",
])("what looks like SQL in a filter is an id that nobody has: %s", async (text) => {
  await addPerson(tables, TENANT, "usr_1");
  await tables.insert("user_sessions", [sessionRow({ session: "s-1" })]);
  const { app } = testEdge({ database: tables.edge });
  const headers = await bearer({ sub: "adm_1", scope: "id:admin" });
  const given = encodeURIComponent(text);
  for (const name of ["user", "device", "organisation"]) {
    const found = await app.inject({ url: `/api/id/admin/sessions?${name}=${given}`, headers });
    assert.equal(found.statusCode, 200, found.body);
    assert.deepEqual(found.json(), { sessions: [], next: null });
  }
  for (const url of [`sessions/user/${given}`, `users/${given}/timeline`]) {
    const found = await app.inject({ url: `/api/id/admin/${url}`, headers });
    assert.equal(found.json().code, "VIG_NOT_FOUND", found.body);
  }
  assert.equal((await search({}, { after: null, limit: 10 })).items.length, 1);
});

const search = (filter: SessionFilter, page: Parameters<typeof searchSessions>[3]) =>
  tables.edge.inTenant(TENANT, (tx) => searchSessions(tx, tenantUuid(TENANT), filter, page));
