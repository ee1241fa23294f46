import assert from "node:assert/strict";
import { MINUTE_MS } from "@vigie/core/time";
import type { LoginEvent } from "@vigie/schemas/types";
import { NOW_MS } from "@vigie/service-kit/testing/issuer";
import { afterAll, beforeAll, beforeEach, describe, test } from "vitest";
import { databaseAway, redisAway } from "../../test-geo.ts";
import { type GeoTables, geoTables } from "../../test-tables.ts";
import type { DialogueStore } from "../sessions/dialogue-store.ts";
import { redisDialogues } from "../sessions/redis-dialogues.ts";
import {
  AWA,
  dial,
  linkedPhone,
  PHONE,
  PIN,
  personal,
  phoneOfAwa,
  TENANT,
  type UssdService,
  ussdParts,
  ussdService,
} from "../test-phone.ts";

const OTHER = "+221771234568";

let tables: GeoTables;
let service: UssdService;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  service = await phoneOfAwa(tables);
});

const ACCOUNT =
  "CON Mon compte\n1. Vérifier mon identité\n2. Voir mes infos\n3. Changer mot de passe\n0. Retour";
const logins = () => service.published<LoginEvent>("id.login");

describe("USS-06, USS-07, CNF-27: menus", () => {
  test("the main menu, and the account screen exactly as asked for", async () => {
    const phone = dial(service, PHONE, "s-1");
    assert.match(
      await phone.type(),
      /^CON .*\n1\. Mon compte\n2\. Réinitialiser PIN\n3\. Support\n4\. Langue/,
    );
    assert.equal(await phone.type("1"), ACCOUNT);
  });

  test("*131*1# opens the account screen at once", async () => {
    const fields = { sessionId: "s-2", serviceCode: "*131*1#", phoneNumber: PHONE, text: "" };
    assert.equal((await service.callback(fields)).body, ACCOUNT);
    const fresh = { sessionId: "s-3", phoneNumber: PHONE, text: "1" };
    assert.equal((await service.callback(fresh)).body, ACCOUNT);
  });

  test("1*2 stays at the account while nobody has a PIN", async () => {
    await linkedPhone(service, { phone: OTHER, user: "usr_new", pin: null });
    const phone = dial(service, OTHER, "s-4");
    assert.equal(await phone.type("1", "2"), ACCOUNT);
    assert.deepEqual(logins(), []);
  });

  test("the language of a phone stays its own", async () => {
    assert.match(await dial(service, PHONE, "s-5").type("4", "2"), /^CON Welcome/);
    assert.match(await dial(service, PHONE, "s-6").type(), /^CON Welcome/);
  });

  test("the tenant's number for help", async () => {
    assert.match(await dial(service, PHONE, "s-7").type("3"), /800 131/);
  });
});

describe("USS-02: a PIN links the session to the ID", () => {
  test("a right PIN signs in, shows the infos, and the end signs out; each is published first", async () => {
    const phone = dial(service, PHONE, "s-1");
    const infos = await phone.type("1", "2", PIN);
    assert.match(infos, /Numéro: \.\.\.67\nLié le: 2026-01-05\nPays: SN\nDevise: XOF/);
    await phone.type("0", "0", "0");
    const [login, logout, ...more] = logins();
    assert.deepEqual(more, []);
    assert.equal(login?.kind, "AUTH_SUCCESS");
    assert.equal(logout?.kind, "LOGOUT");
    assert.equal(logout?.session_id, login?.session_id);
    const { user_id, tenant_id, channel, login_method, occurred_at } = login ?? {};
    assert.deepEqual(
      { user_id, tenant_id, channel, login_method, occurred_at },
      {
        user_id: AWA,
        tenant_id: TENANT,
        channel: "USSD",
        login_method: "pin",
        occurred_at: NOW_MS,
      },
    );
    assert.match(login?.session_id ?? "", /^[0-9a-f-]{36}$/);
  });

  test("five wrong PINs lock across sessions; no other session has a try left", async () => {
    const screens: string[] = [];
    for (const session of ["s-1", "s-2", "s-3", "s-4", "s-5"]) {
      screens.push(await dial(service, PHONE, session).type("1", "2", "1379"));
    }
    assert.match(screens[0] ?? "", /^CON PIN incorrect\. Essais restants: 4\./);
    assert.match(screens[4] ?? "", /^END Trop d'essais\. Réessayez dans 15 min\./);
    assert.match(await dial(service, PHONE, "s-6").type("1", "2", PIN), /^END Trop d'essais/);
    service.pass(15 * MINUTE_MS);
    assert.match(await dial(service, PHONE, "s-7").type("1", "2", PIN), /^CON Mes infos/);
    const reasons = logins().map(({ kind, failure_reason }) => failure_reason ?? kind);
    const wrong = "wrong_pin";
    assert.deepEqual(reasons, [
      wrong,
      wrong,
      wrong,
      wrong,
      "pin_locked",
      "pin_locked",
      "AUTH_SUCCESS",
    ]);
  });

  test("a PIN is changed with the one before it, and on record", async () => {
    const phone = dial(service, PHONE, "s-1");
    assert.match(await phone.type("1", "3", PIN, "8642", "8642"), /^CON Votre PIN est enregistré/);
    assert.match(await dial(service, PHONE, "s-2").type("1", "2", "8642"), /^CON Mes infos/);
    const entry = service.audit.entries.at(-1);
    assert.equal(entry?.action, "ussd.pin_set");
    assert.deepEqual(entry?.payload, { by: "pin", replaced: true });
    assert.deepEqual(entry?.reported?.actor, {
      type: "USER",
      id: AWA,
      impersonator_id: null,
      ip: null,
      user_agent: "unknown",
    });
  });
});

test("a PIN that was set elsewhere after it was proven here is asked for, not replaced", async () => {
  const phone = dial(service, PHONE, "s-1");
  await phone.type("1", "3", PIN, "8642");
  const elsewhere = { method: "PUT" as const, url: "/v1/ussd/pin", claims: personal(AWA) };
  await service.call({ ...elsewhere, payload: { pin: "7931" } });
  const told = service.audit.entries.length;
  assert.match(
    await phone.type("8642"),
    /^CON Le PIN a changé entre-temps\.\n.*\nEntrez votre PIN/,
  );
  assert.equal(service.audit.entries.length, told, "what was not done is not on record");
  assert.match(await phone.type("7931", "8642", "8642"), /^CON Votre PIN est enregistré/);
  assert.match(await dial(service, PHONE, "s-2").type("1", "2", "8642"), /^CON Mes infos/);
});

describe("a replayed, reordered or duplicated callback does no harm", () => {
  test("the same callback again, one after the other or at once, has one effect and one answer", async () => {
    const text = "1*2*1379";
    await dial(service, PHONE, "s-1").type("1", "2");
    const again = () => service.callback({ sessionId: "s-1", phoneNumber: PHONE, text });
    const answers = await Promise.all(Array.from({ length: 8 }, again));
    answers.push(await again());
    assert.equal(new Set(answers.map(({ body }) => body)).size, 1);
    assert.match(answers[0]?.body ?? "", /Essais restants: 4/);
    assert.equal(logins().length, 1);
  });

  test("callbacks in another order answer the current screen and do nothing", async () => {
    const phone = dial(service, PHONE, "s-1");
    const infos = await phone.type("1", "2", PIN);
    for (const text of ["", "1", "1*2", "2", "1*2*1379", "1*2*1379*0"]) {
      const late = await service.callback({ sessionId: "s-1", phoneNumber: PHONE, text });
      assert.equal(late.body, infos, text);
    }
    assert.deepEqual(
      logins().map(({ kind }) => kind),
      ["AUTH_SUCCESS"],
    );
  });

  test("another phone in somebody's session gets nothing of it", async () => {
    await dial(service, PHONE, "s-1").type("1", "2", PIN);
    const text = `1*2*${PIN}*0`;
    const other = await service.callback({ sessionId: "s-1", phoneNumber: OTHER, text });
    assert.match(other.body, /^END Session terminée/);
  });
});

describe("stores and broker away", () => {
  const unheard = async <T>(work: () => Promise<T>): Promise<T> => {
    service.output.answer(false);
    const timer = setInterval(() => service.output.giveUp(), 5);
    return work().finally(() => {
      clearInterval(timer);
      service.output.answer(true);
    });
  };

  test("no answer before the broker has the login; without it the person is told, and nothing is signed in", async () => {
    const phone = dial(service, PHONE, "s-1");
    await phone.type("1", "2");
    assert.match(await unheard(() => phone.type(PIN)), /^CON Service indisponible/);
    assert.deepEqual(logins(), []);
    assert.match(await phone.type("0", "2", PIN), /^CON Mes infos/);
  });

  test("without the broker a reset code is not used up, and it has its three tries", async () => {
    const url = "/v1/ussd/pin/reset-code";
    const { code } = (await service.call({ url, claims: personal(AWA) })).json();
    const phone = dial(service, PHONE, "s-1");
    for (const typed of [code, "00000000", "00000001", "00000002"]) {
      const screen = await unheard(() => phone.type("2", typed));
      assert.match(screen, /^CON Service indisponible/);
      await phone.type("0");
    }
    assert.match(await phone.type("2", code), /^CON .*\nEntrez un nouveau PIN/);
  });

  test("without the broker nobody is told that they are out: the next try signs out", async () => {
    await dial(service, PHONE, "s-1").type("1", "2", PIN, "0", "0");
    const fields = { sessionId: "s-1", phoneNumber: PHONE, text: `1*2*${PIN}*0*0*0` };
    const refused = await unheard(() => service.callback(fields));
    assert.equal(refused.statusCode, 503);
    assert.equal((await service.callback(fields)).body, "END Au revoir.");
    assert.deepEqual(
      logins().map(({ kind }) => kind),
      ["AUTH_SUCCESS", "LOGOUT"],
    );
  });

  test("without the broker no phone is taken from who is signed in by it", async () => {
    await dial(service, PHONE, "s-1").type("1", "1", PIN);
    const remove = { url: "/v1/ussd/admin/links/remove", payload: { phone: PHONE } };
    assert.equal((await unheard(() => service.call(remove))).statusCode, 503);
    assert.equal((await tables.rows("select 1 from ussd_links")).length, 1);
    assert.equal((await service.call(remove)).json().found, true);
  });

  test("without PostgreSQL or Redis: 503 with Retry-After, counted", async () => {
    const lifetimes = { idleMs: 1_000, usedMs: 1_000 };
    const ussd = { ...ussdParts(), dialogues: redisDialogues(redisAway, lifetimes) };
    for (const over of [{ database: databaseAway }, { ussd }]) {
      const partial = ussdService(tables, over);
      const response = await partial.callback({ sessionId: "s-1", phoneNumber: PHONE });
      assert.equal(response.statusCode, 503);
      assert.ok(response.headers["retry-after"]);
      const told = await partial.metrics.registry.metrics();
      assert.match(told, /ussd_callbacks_total{provider="vigie",outcome="failed"} 1/);
    }
  });
});

describe("USS-09: routed where USSD is supported", () => {
  const END = /^END Service non disponible ici/;
  const ask = async (fields: Record<string, string>) =>
    (await service.callback({ sessionId: "s-1", phoneNumber: PHONE, ...fields })).body;

  test.each([
    ["a country without USSD", { phoneNumber: "+33612345678" }],
    ["a country that is not active", { phoneNumber: "+22370123456" }],
    ["a country where the tenant has no code", { phoneNumber: "+2250707070707" }],
    ["a code of nobody", { serviceCode: "*999#" }],
    ["a number that is none", { phoneNumber: "+999000000000" }],
  ])("%s: not available", async (_what, fields) => {
    // A code from when it was served there.
    await tables.owner.query(
      `insert into ussd_service_codes select service_code, country, tenant_id, tenant_key
         from ussd_service_codes, unnest(array['FR', 'ML']) country`,
    );
    assert.match(await ask(fields), END);
    assert.match(await ask({}), /^CON/);
  });

  test("each step of a linked phone is on its person's record, no other is", async () => {
    await dial(service, PHONE, "s-1").type("1", "2", PIN);
    await dial(service, OTHER, "s-2").type("1", "2");
    const rows = await tables.rows<{ details: { screen: string } }>(
      "select details from molam_geo_events where event_type = 'ussd_routed' order by details ->> 'screen'",
    );
    assert.deepEqual(
      rows.map(({ details }) => details.screen),
      ["account", "infos", "pin"],
    );
  });
});

test("PRV-14: an erasure while a step is under way: nothing is told of the person after it", async () => {
  const parts = ussdParts();
  const dialogues: DialogueStore = {
    ...parts.dialogues,
    async swap(name, next) {
      // After the link was found, and before anything is told.
      await tables.owner.query("truncate ussd_links, ussd_pins");
      return parts.dialogues.swap(name, next);
    },
  };
  service = ussdService(tables, { ussd: { ...parts, dialogues } });
  await dial(service, PHONE, "s-1").type();
  assert.deepEqual(await tables.rows("select 1 from molam_geo_events"), []);
});

test("a phone that is taken away, or linked anew, signs out who was signed in by it, once", async () => {
  const told = () => logins().map(({ kind, session_id }) => `${kind} ${session_id}`);
  const remove = () =>
    service.call({ url: "/v1/ussd/admin/links/remove", payload: { phone: PHONE } });
  const phone = dial(service, PHONE, "s-1");
  await phone.type("1", "3", PIN, "8642");
  const [, first] = told()[0]?.split(" ") ?? [];
  await remove();
  assert.deepEqual(told(), [`AUTH_SUCCESS ${first}`, `LOGOUT ${first}`]);
  assert.match(await phone.type("8642"), /^END /);
  await linkedPhone(service, { phone: PHONE, user: AWA, pin: null });
  const anew = dial(service, PHONE, "s-2");
  assert.match(await anew.type("1", "2", PIN), /^CON Mes infos/);
  await linkedPhone(service, { phone: PHONE, user: "usr_modou", pin: null });
  const [, second] = told()[2]?.split(" ") ?? [];
  assert.deepEqual(told().slice(2), [`AUTH_SUCCESS ${second}`, `LOGOUT ${second}`]);
  assert.equal(logins().at(-1)?.user_id, AWA);
  assert.match(await anew.type("0", "2"), /^END /);
  await linkedPhone(service, { phone: PHONE, user: AWA, pin: null });
  await dial(service, PHONE, "s-3").type("1", "1", PIN, "0", "0", "0");
  await remove();
  assert.equal(told().length, 6, "of the last only its own end is told");
});

test("nothing that was typed or dialled is logged, kept or published", async () => {
  const phone = dial(service, PHONE, "s-grep");
  await phone.type("1", "2", PIN, "0", "3", PIN, "8642", "8642");
  const metrics = await service.metrics.registry.metrics();
  const kept = await tables.rows<{ text: string }>(
    `select t::text as text from ussd_links t union all select t::text from ussd_pins t
     union all select t::text from molam_geo_events t`,
  );
  const published = service.output.produced.map(({ value }) => value.toString("latin1"));
  const audited = service.audit.entries.map(({ payload, subjectUserId }) =>
    JSON.stringify({ payload, subjectUserId }),
  );
  const all = [
    metrics,
    ...kept.map(({ text }) => text),
    ...published,
    ...audited,
    ...service.lines,
  ];
  for (const secret of ["771234567", "1*2", `*${PIN}`, "*8642"]) {
    const found = all.filter((text) => text.includes(secret));
    assert.deepEqual(found, [], secret);
  }
});
