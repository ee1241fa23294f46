import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { DAY_MS, HOUR_MS } from "@vigie/core/time";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { Database } from "@vigie/service-kit/postgres/database";
import { NOW_MS } from "@vigie/service-kit/testing/issuer";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createEraser } from "#erasure/eraser";
import { noPersonCache } from "#geo-context/person-cache";
import { type GeoTables, geoTables } from "../../test-tables.ts";
import {
  ADMIN,
  CODE,
  freshService,
  PHONE,
  PLATFORM,
  personal,
  TENANT,
  type UssdService,
  ussdService,
} from "../test-phone.ts";
import { createLinkBook } from "./link-book.ts";
import { rekeyJob } from "./rekey.ts";
import { findServiceCode, putServiceCode } from "./service-codes.ts";
import { simMemoryJob } from "./sim-memory.ts";

const LINKS = "/v1/ussd/admin/links";
const CODES = "/v1/ussd/admin/service-codes";
const SIM = "/v1/ussd/sim-changes";

let tables: GeoTables;
let service: UssdService;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  service = await freshService(tables);
});

const put = (user: string, more: object = {}, claims: Record<string, unknown> = ADMIN) =>
  service.call({
    method: "PUT",
    url: LINKS,
    claims,
    payload: { phone: PHONE, user_id: user, ...more },
  });
const read = async (user: string, claims: Record<string, unknown> = ADMIN) =>
  (await service.call({ method: "GET", url: `/v1/ussd/admin/users/${user}/links`, claims })).json();

describe("links of phones", () => {
  test("an administrator links a phone, sees that it is, and takes it away; all on record", async () => {
    expect((await put("usr_1", { language: "en" })).json()).toEqual({
      status: "linked",
      country: "SN",
      taken_over: false,
    });
    expect(await read("usr_1")).toEqual({
      user_id: "usr_1",
      phones: [
        {
          country: "SN",
          language: "en",
          linked_at: new Date(NOW_MS).toISOString(),
          sim_changed_at: null,
          has_pin: false,
        },
      ],
    });
    const remove = { url: `${LINKS}/remove`, payload: { phone: PHONE } };
    expect((await service.call(remove)).json()).toEqual({ status: "done", found: true });
    expect((await service.call(remove)).json()).toEqual({ status: "done", found: false });
    expect((await read("usr_1")).phones).toEqual([]);
    const told = service.audit.entries.map(({ action, subjectUserId }) => [action, subjectUserId]);
    expect(told).toEqual([
      ["ussd.link_put", "usr_1"],
      ["ussd.links_read", "usr_1"],
      ["ussd.link_removed", "usr_1"],
      ["ussd.link_removed", null],
      ["ussd.links_read", "usr_1"],
    ]);
  });

  test("nobody signs in by a link that is gone, and nobody is signed out by another dialogue", async () => {
    await put("usr_1");
    const links = createLinkBook(service.keys, () => NOW_MS);
    const { geo } = tables;
    const inTenant = <T>(work: Parameters<typeof geo.inTenant<T>>[1]) => geo.inTenant(TENANT, work);
    const { id } = (await inTenant((tx) => links.find(tx, TENANT, PHONE))) ?? { id: "" };
    expect(await inTenant((tx) => links.signIn(tx, TENANT, id, "d-1"))).toBe(true);
    await inTenant((tx) => links.signOut(tx, TENANT, id, "d-2"));
    const before = await inTenant((tx) => links.remove(tx, TENANT, PHONE));
    expect(before?.dialogue).toBe("d-1");
    expect(await inTenant((tx) => links.signIn(tx, TENANT, id, "d-1"))).toBe(false);
  });

  test("a phone is of one person: of many who get it at once the last has it", async () => {
    const users = Array.from({ length: 8 }, (_, i) => `usr_${i}`);
    const answers = await Promise.all(users.map((user) => put(user)));
    assert.equal(answers.filter((answer) => answer.json().taken_over).length, 7);
    assert.equal((await tables.rows("select 1 from ussd_links")).length, 1);
  });

  test("a person sees their own, and nobody else's", async () => {
    await put("usr_1");
    const own = async (user: string) =>
      (await service.call({ method: "GET", url: "/v1/ussd/links", claims: personal(user) })).json();
    expect(await own("usr_1")).toEqual(await read("usr_1"));
    expect(await own("usr_2")).toEqual({ user_id: "usr_2", phones: [] });
  });

  test("put anew, it keeps the language that was chosen on it; another person's does not", async () => {
    await put("usr_1", { language: "en" });
    await put("usr_1");
    assert.equal((await read("usr_1")).phones[0].language, "en");
    await put("usr_2");
    assert.equal((await read("usr_2")).phones[0].language, null);
  });

  test("the number is nowhere in the table, and another tenant's hash of it is another", async () => {
    await put("usr_1");
    await put("usr_1", {}, { ...ADMIN, tenant_id: "molam-ci" });
    const rows = await tables.rows<{ hash: string; text: string }>(
      "select phone_hash as hash, l::text || encode(sealed_phone, 'escape') as text from ussd_links l",
    );
    assert.equal(new Set(rows.map(({ hash }) => hash)).size, 2);
    for (const { text } of rows) assert.ok(!text.includes("771234567"));
  });
});

describe("what is no link", () => {
  test("without its record a link does not hold", async () => {
    const failing = ussdService(tables, {
      audit: {
        ...service.audit,
        record: async () => {
          throw new Error("the broker is away");
        },
      },
    });
    const call = {
      method: "PUT" as const,
      url: LINKS,
      payload: { phone: PHONE, user_id: "usr_1" },
    };
    assert.equal((await failing.call(call)).statusCode, 500);
    assert.equal((await tables.rows("select 1 from ussd_links")).length, 0);
  });

  test.each([
    ["no administrator", personal("usr_1"), 403],
    ["an administrator of a subsidiary", { ...ADMIN, org_id: "pay" }, 403],
  ])("%s is refused", async (_who, claims, status) => {
    assert.equal((await put("usr_1", {}, claims)).statusCode, status);
    assert.equal((await tables.rows("select 1 from ussd_links")).length, 0);
  });

  test.each([
    ["a number without its country", { phone: "771234567" }],
    ["a number of no country of the matrix", { phone: "+14155552671" }],
    ["a member that nobody knows", { tenant_id: "molam-ci" }],
    ["another language", { language: "wo" }],
  ])("%s is a fault of the body", async (_what, more) => {
    assert.equal((await put("usr_1", more)).json().code, "VIG_BODY_INVALID");
  });
});

describe("changes of SIM", () => {
  const tell = (payload: object, claims: Record<string, unknown> = { scope: "events:write" }) =>
    service.call({ url: SIM, claims, payload });
  const changedAt = async () => (await read("usr_1")).phones[0].sim_changed_at;

  test("the newest counts, what lies ahead is now, and an unknown phone is none", async () => {
    await put("usr_1");
    const at = (ms: number) => new Date(ms).toISOString();
    await tell({ phone: PHONE, changed_at: at(NOW_MS - HOUR_MS) });
    await tell({ phone: PHONE, changed_at: at(NOW_MS - 2 * HOUR_MS) });
    assert.equal(await changedAt(), at(NOW_MS - HOUR_MS));
    await tell({ phone: PHONE, changed_at: at(NOW_MS + DAY_MS) });
    assert.equal(await changedAt(), at(NOW_MS));
    expect((await tell({ phone: "+221770000000" })).json()).toEqual({
      status: "done",
      found: false,
    });
  });

  test("only services tell, and only of times", async () => {
    assert.equal((await tell({ phone: PHONE }, personal("usr_1"))).statusCode, 403);
    assert.equal((await tell({ phone: PHONE, changed_at: "yesterday" })).statusCode, 400);
    assert.equal(
      (await tell({ phone: PHONE, changed_at: "2026-02-31T99:00:00Z" })).statusCode,
      400,
    );
  });
});

describe("USS-09: service codes", () => {
  const code = { tenant_id: TENANT, service_code: CODE, country: "SN" };
  const give = (more: object = {}, claims: Record<string, unknown> = PLATFORM) =>
    service.call({ method: "PUT", url: CODES, claims, payload: { ...code, ...more } });

  test("the platform gives a code to one tenant in a country, and takes it back", async () => {
    assert.equal((await give({ support_phone: "800 131" })).statusCode, 200);
    assert.equal((await give({ tenant_id: "molam-ci" })).json().code, "VIG_SERVICE_CODE_TAKEN");
    assert.equal((await give({ tenant_id: "molam-ci", country: "CI" })).statusCode, 200);
    const own = await service.call({ method: "GET", url: CODES });
    expect(own.json().codes).toEqual([
      { service_code: CODE, country: "SN", support_phone: "800 131" },
    ]);
    const remove = { url: `${CODES}/remove`, claims: PLATFORM, payload: code };
    expect((await service.call(remove)).json()).toEqual({ status: "done", found: true });
    assert.equal((await give({ tenant_id: "molam-ci" })).statusCode, 200);
  });

  test("a tenant's administrator gives none: whoever has a code hears the PINs typed there", async () => {
    assert.equal((await give({}, ADMIN)).statusCode, 403);
    assert.equal((await tables.rows("select 1 from ussd_service_codes")).length, 0);
    await assert.rejects(
      tables.geo.inTenant("molam-ci", (tx) =>
        putServiceCode(tx, {
          tenantId: TENANT,
          serviceCode: CODE,
          country: "SN",
          supportPhone: null,
        }),
      ),
      /row-level security/,
    );
  });

  test("none where there is no USSD", async () => {
    assert.equal((await give({ country: "FR" })).json().code, "VIG_BODY_INVALID");
    assert.equal((await give({ country: "XX" })).json().code, "VIG_BODY_INVALID");
  });

  test("of two codes that begin what was dialled the longer one counts", async () => {
    await give();
    await give({ tenant_id: "molam-pay", service_code: "*131*7#" });
    const find = async (dialled: string, countries = ["SN"]) =>
      (await findServiceCode(tables.geo, dialled, countries))?.tenantId;
    assert.equal(await find("*131*1#"), TENANT);
    assert.equal(await find("*131*7*1#"), "molam-pay");
    assert.equal(await find("*131*77#"), TENANT);
    assert.equal(await find("*131*1*22#"), TENANT);
    assert.equal(await find("*1311#"), undefined);
    assert.equal(await find("*131#", ["CI"]), undefined);
    await give({ service_code: "+221338000000" });
    assert.equal(await find("+221338000000"), TENANT);
    assert.equal(await find("+2213380000001"), undefined);
  });

  test("what was dialled after a code may be a PIN: no statement has it", async () => {
    await give();
    const asked: unknown[] = [];
    const database: Pick<Database, "query"> = {
      query(text, values) {
        asked.push(text, values);
        return tables.geo.query(text, values);
      },
    };
    assert.equal((await findServiceCode(database, "*131*1*1*2580#", ["SN"]))?.tenantId, TENANT);
    assert.ok(!JSON.stringify(asked).includes("2580"));
  });
});

test("phones are found for years: each run brings them to the key of the day", async () => {
  let nowMs = NOW_MS;
  const clock = () => nowMs;
  const masters = [0, 10, 50].map((days, i) => ({
    keyId: `k${i}`,
    activeFromMs: NOW_MS + days * DAY_MS,
    secret: randomBytes(32),
  }));
  const keys = derivedKeys(masters, clock);
  const book = createLinkBook(keys, clock);
  const job = rekeyJob(tables.geo, book);
  const find = () => tables.geo.inTenant(TENANT, (tx) => book.find(tx, TENANT, PHONE));
  await tables.geo.inTenant(TENANT, async (tx) => {
    await putServiceCode(tx, {
      tenantId: TENANT,
      serviceCode: CODE,
      country: "SN",
      supportPhone: null,
    });
    const person = { tenantId: TENANT, userId: "usr_1" };
    await book.put(tx, { person, phone: PHONE, country: "SN", language: null });
    await book.noteSimChange(tx, TENANT, PHONE, NOW_MS);
  });
  const hashes = "select phone_hash as hash from";
  const together = async () =>
    expect(await tables.rows(`${hashes} ussd_sim_changes`)).toEqual(
      await tables.rows(`${hashes} ussd_links`),
    );
  await together();
  nowMs = NOW_MS + 11 * DAY_MS;
  assert.ok(await find(), "the key before compares for a while");
  await tables.geo.inTenant(TENANT, (tx) => book.noteSimChange(tx, TENANT, PHONE, nowMs));
  await together();
  await job.run();
  await together();
  nowMs = NOW_MS + 45 * DAY_MS;
  assert.equal((await find())?.person.userId, "usr_1");
  nowMs = NOW_MS + 400 * DAY_MS;
  assert.equal(await find(), null, "no key that is comparable made this hash");
  await job.run();
  assert.equal((await find())?.person.userId, "usr_1");
});

test("a change of SIM is forgotten after the hold, and with the person whose phone it is", async () => {
  const book = createLinkBook(service.keys, () => NOW_MS);
  const person = { tenantId: TENANT, userId: "usr_1" };
  const other = "+221770000000";
  const old = "+221770000001";
  const left = async () => (await tables.rows("select 1 from ussd_sim_changes")).length;
  await tables.geo.inTenant(TENANT, async (tx) => {
    await book.put(tx, { person, phone: PHONE, country: "SN", language: null });
    for (const phone of [PHONE, other]) await book.noteSimChange(tx, TENANT, phone, Date.now());
    await book.noteSimChange(tx, TENANT, old, Date.now() - 73 * HOUR_MS);
  });
  const rows = await tables.rows<{ text: string }>(
    "select s::text as text from ussd_sim_changes s",
  );
  for (const { text } of rows) assert.doesNotMatch(text, /22177|usr_1/);
  assert.equal(await left(), 3);
  await simMemoryJob(tables.geo, 72).run();
  assert.equal(await left(), 2, "of all tenants, those that hold no longer");
  await simMemoryJob(tables.geo, 0).run();
  assert.equal(await left(), 2, "a day is kept at least");
  const eraser = createEraser(noPersonCache);
  await tables.geo.inTenant(TENANT, (tx) => eraser.subject(tx, person, NOW_MS));
  assert.equal(await left(), 1, "of nobody else");
});

test("PRV-14: a phone that is linked at the very moment of an erasure goes with it", async () => {
  const person = { tenantId: TENANT, userId: "usr_1" };
  const eraser = createEraser(noPersonCache);
  const book = createLinkBook(service.keys, () => NOW_MS);
  let erasing: Promise<unknown> = Promise.resolve();
  await tables.geo.inTenant(TENANT, async (tx) => {
    await book.put(tx, { person, phone: PHONE, country: "SN", language: null });
    erasing = tables.geo.inTenant(TENANT, (other) => eraser.subject(other, person, NOW_MS));
    await Promise.race([erasing, wait(200)]);
  });
  await erasing;
  assert.deepEqual(await tables.rows("select user_id from ussd_links"), []);
});
