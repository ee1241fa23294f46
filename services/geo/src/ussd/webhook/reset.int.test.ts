import assert from "node:assert/strict";
import { HOUR_MS } from "@vigie/core/time";
import type { MfaEvent } from "@vigie/schemas/types";
import { afterAll, beforeAll, beforeEach, describe, test } from "vitest";
import { type GeoTables, geoTables } from "../../test-tables.ts";
import {
  AWA,
  dial,
  HOLD_MS,
  linkedPhone,
  PHONE,
  PIN,
  personal,
  phoneOfAwa,
  type UssdService,
} from "../test-phone.ts";

let tables: GeoTables;
let service: UssdService;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  service = await phoneOfAwa(tables);
});

const factors = () => service.published<MfaEvent>("id.mfa");

describe("a reset needs a second proof, and is held after a change of SIM", () => {
  const draw = async (): Promise<string> => {
    const url = "/v1/ussd/pin/reset-code";
    const response = await service.call({ url, claims: personal(AWA) });
    assert.equal(response.headers["cache-control"], "no-store");
    return response.json().code;
  };

  test("a drawn code allows another PIN, once; a wrong one does not", async () => {
    const code = await draw();
    const wrong = code === "00000000" ? "00000001" : "00000000";
    assert.match(await dial(service, PHONE, "s-1").type("2", wrong), /^CON Code incorrect/);
    const phone = dial(service, PHONE, "s-2");
    assert.match(await phone.type("2", code, "8642", "8642"), /^CON Votre PIN est enregistré/);
    assert.match(await dial(service, PHONE, "s-3").type("2", code), /^CON Code incorrect/);
    const told = factors().map(({ kind, factor, channel }) => `${channel} ${factor} ${kind}`);
    assert.deepEqual(told, [
      "USSD RECOVERY_CODE FAIL",
      "USSD RECOVERY_CODE SUCCESS",
      "USSD RECOVERY_CODE FAIL",
    ]);
    assert.deepEqual(service.audit.entries.at(-1)?.payload, { by: "code", replaced: true });
  });

  test("a PIN that was set elsewhere after the code was right stays; another code is asked for", async () => {
    const phone = dial(service, PHONE, "s-1");
    await phone.type("2", await draw(), "8642");
    const elsewhere = { method: "PUT" as const, url: "/v1/ussd/pin", claims: personal(AWA) };
    await service.call({ ...elsewhere, payload: { pin: "7931" } });
    assert.match(
      await phone.type("8642"),
      /^CON Le PIN a changé entre-temps\.\n.*\nEntrez le code/,
    );
    assert.match(await dial(service, PHONE, "s-2").type("1", "2", "7931"), /^CON Mes infos/);
    assert.match(await phone.type(await draw(), "8642", "8642"), /^CON Votre PIN est enregistré/);
    assert.match(await dial(service, PHONE, "s-3").type("1", "2", "8642"), /^CON Mes infos/);
  });

  test("who has no PIN sets the first one by a code, unless another is there by then", async () => {
    await tables.owner.query("delete from ussd_pins");
    const late = dial(service, PHONE, "s-1");
    await late.type("2", await draw(), "7931");
    const phone = dial(service, PHONE, "s-2");
    assert.match(
      await phone.type("2", await draw(), "8642", "8642"),
      /^CON Votre PIN est enregistré/,
    );
    assert.deepEqual(service.audit.entries.at(-1)?.payload, { by: "code", replaced: false });
    assert.match(await late.type("7931"), /^CON Le PIN a changé entre-temps/);
    assert.match(await dial(service, PHONE, "s-3").type("1", "2", "8642"), /^CON Mes infos/);
  });

  test("for hours after a change of SIM not even the code does, then it does", async () => {
    const tell = { url: "/v1/ussd/sim-changes", claims: { scope: "events:write" } };
    const told = await service.call({ ...tell, payload: { phone: PHONE } });
    assert.deepEqual(told.json(), { status: "done", found: true });
    service.pass(HOLD_MS - HOUR_MS);
    const held = await dial(service, PHONE, "s-1").type("2", await draw());
    assert.match(held, /^CON Impossible après un changement de SIM\. Réessayez dans 1 h\./);
    service.pass(HOUR_MS);
    const phone = dial(service, PHONE, "s-2");
    assert.match(await phone.type("2", await draw(), "8642", "8642"), /enregistré/);
  });

  test("the hold outlives a link that is put anew; a PIN that was known is held as well", async () => {
    await service.call({
      url: "/v1/ussd/sim-changes",
      claims: { scope: "events:write" },
      payload: { phone: PHONE },
    });
    await linkedPhone(service, { phone: PHONE, user: AWA, pin: null });
    const phone = dial(service, PHONE, "s-1");
    assert.match(await phone.type("1", "3", PIN, "8642", "8642"), /changement de SIM/);
    assert.match(await dial(service, PHONE, "s-2").type("1", "2", PIN), /^CON Mes infos/);
  });
});

describe("a change of SIM is the number's, whoever has it", () => {
  const tell = () =>
    service.call({
      url: "/v1/ussd/sim-changes",
      claims: { scope: "events:write" },
      payload: { phone: PHONE },
    });
  const remove = () =>
    service.call({ url: "/v1/ussd/admin/links/remove", payload: { phone: PHONE } });
  const change = (session: string) =>
    dial(service, PHONE, session).type("1", "3", PIN, "8642", "8642");
  const HELD = /changement de SIM/;

  test("the hold outlives a link that is taken away and put again, until its end", async () => {
    await tell();
    await remove();
    await linkedPhone(service, { phone: PHONE, user: AWA, pin: null });
    assert.match(await change("s-1"), HELD);
    service.pass(HOLD_MS);
    assert.match(await change("s-2"), /enregistré/);
  });

  test("told before the phone is linked, it holds as well", async () => {
    await remove();
    assert.deepEqual((await tell()).json(), { status: "done", found: false });
    await linkedPhone(service, { phone: PHONE, user: AWA, pin: null });
    assert.match(await change("s-1"), HELD);
  });
});
