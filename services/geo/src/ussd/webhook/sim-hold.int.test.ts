import assert from "node:assert/strict";
import { afterAll, beforeAll, beforeEach, describe, test } from "vitest";
import { type GeoTables, geoTables } from "../../test-tables.ts";
import { dial, HOLD_MS, linkedPhone, type UssdService, ussdService } from "../test-phone.ts";

const PHONE = "+221771234567";
const PIN = "2580";
const AWA = "usr_awa";

let tables: GeoTables;
let service: UssdService;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  await tables.owner.query(
    "truncate ussd_service_codes, ussd_links, ussd_sim_changes, ussd_pins, molam_geo_events",
  );
  service = ussdService(tables);
  await linkedPhone(service, { phone: PHONE, user: AWA, pin: PIN });
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
