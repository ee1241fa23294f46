import assert from "node:assert/strict";
import { SECOND_MS } from "@vigie/core/time";
import type { LoginEvent } from "@vigie/schemas/types";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { limitedTo } from "../../test-geo.ts";
import { type GeoTables, geoTables } from "../../test-tables.ts";
import { twilioSignatureOf } from "../providers/twilio.ts";
import { signatureOf } from "../providers/vigie.ts";
import {
  PATH_SECRET,
  PHONE,
  PIN,
  PLATFORM,
  PUBLIC_URL,
  phoneOfAwa,
  SECRET,
  TENANT,
  TWILIO_TOKEN,
  type UssdService,
  ussdService,
} from "../test-phone.ts";

const ROOT = "/v1/ussd/webhook";
const FORM = { "content-type": "application/x-www-form-urlencoded" };
const MENU = "Bienvenue\n1. Mon compte\n2. Réinitialiser PIN\n3. Support\n4. Langue\n0. Quitter";

let tables: GeoTables;
let service: UssdService;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  service = await phoneOfAwa(tables);
});

const form = (fields: Record<string, string>): string => new URLSearchParams(fields).toString();
const logins = () => service.published<LoginEvent>("id.login").map(({ kind }) => kind);
const count = async (labels: string): Promise<number> => {
  const text = await service.metrics.registry.metrics();
  return Number(text.match(new RegExp(`ussd_callbacks_total{${labels}} (\\d+)`))?.[1] ?? 0);
};

describe("our own signature", () => {
  const post = (headers: Record<string, string>, payload: string) =>
    service.app.inject({ method: "POST", url: ROOT, headers, payload });
  const fields = { sessionId: "s-1", serviceCode: "*131#", phoneNumber: PHONE, text: "" };

  test("JSON and forms are answered in plain text", async () => {
    const json = JSON.stringify(fields);
    const signed = {
      "content-type": "application/json",
      "x-ussd-signature": signatureOf(SECRET, json),
    };
    const answer = await post(signed, json);
    assert.equal(answer.body, `CON ${MENU}`);
    assert.match(String(answer.headers["content-type"]), /^text\/plain/);
    const body = form({ ...fields, sessionId: "s-2" });
    const again = await post({ ...FORM, "x-ussd-signature": signatureOf(SECRET, body) }, body);
    assert.equal(again.body, `CON ${MENU}`);
  });

  test("without it: 403, nothing is looked at, counted; then the address is limited", async () => {
    service = ussdService(tables, limitedTo(2));
    const headers = { "content-type": "application/json" };
    const statuses: number[] = [];
    for (let i = 0; i < 3; i += 1) statuses.push((await post(headers, "{not json")).statusCode);
    assert.deepEqual(statuses, [403, 403, 429]);
    assert.equal(await count('provider="vigie",outcome="refused"'), 3);
    const json = JSON.stringify(fields);
    const signed = { ...headers, "x-ussd-signature": signatureOf(SECRET, json) };
    assert.equal((await post(signed, json)).statusCode, 200);
  });

  test("what nobody vouches for is refused and counted, whatever else is wrong with it", async () => {
    const twice = "CallSid=CA1&CallSid=CA2";
    const none = { "x-twilio-signature": "none", "x-ussd-signature": "sha256=none" };
    const send = (url: string) =>
      service.app.inject({ method: "POST", url, headers: { ...FORM, ...none }, payload: twice });
    assert.equal((await send(`${ROOT}/twilio`)).statusCode, 403);
    assert.equal((await send(`${ROOT}/twilio?step=1&step=2`)).statusCode, 403);
    assert.equal((await send(`${ROOT}?a=1&a=2`)).statusCode, 403);
    assert.equal(await count('provider="twilio",outcome="refused"'), 2);
    assert.equal(await count('provider="vigie",outcome="refused"'), 1);
  });

  test("a signed body that is no callback: 400; another type: 415", async () => {
    const json = JSON.stringify({ ...fields, phoneNumber: "awa" });
    const headers = {
      "content-type": "application/json",
      "x-ussd-signature": signatureOf(SECRET, json),
    };
    const answer = await post(headers, json);
    assert.equal(answer.json().code, "VIG_BODY_INVALID");
    assert.equal(answer.json().detail, "phoneNumber: is no phone number in E.164");
    const xml = await post({ "content-type": "text/xml" }, "<a/>");
    assert.equal(xml.statusCode, 415);
    const types = "send application/json or application/x-www-form-urlencoded, uncompressed";
    assert.equal(xml.json().detail, types);
    const packed = await post({ ...headers, "content-encoding": "gzip" }, json);
    assert.deepEqual([packed.statusCode, packed.json().detail], [415, types]);
  });
});

test("USS-08: Africa's Talking by form, known by path and address", async () => {
  const call = (secret: string, text: string, remoteAddress = "127.0.0.1") =>
    service.app.inject({
      method: "POST",
      url: `${ROOT}/africastalking/${secret}`,
      headers: FORM,
      remoteAddress,
      payload: form({ sessionId: "at-1", serviceCode: "*131#", phoneNumber: PHONE, text }),
    });
  assert.equal((await call(PATH_SECRET, "")).body, `CON ${MENU}`);
  assert.match((await call(PATH_SECRET, `1*2*${PIN}`)).body, /^CON Mes infos/);
  assert.equal((await call("another-path-of-the-same-length-01", "")).statusCode, 403);
  assert.equal((await call(PATH_SECRET, "", "196.0.0.1")).statusCode, 403);
  assert.equal((await call(PATH_SECRET, `1*2*${PIN}*0*0*0`)).body, "END Au revoir.");
  assert.deepEqual(logins(), ["AUTH_SUCCESS", "LOGOUT"]);
  for (const line of service.lines) assert.ok(!line.includes(PATH_SECRET));
});

test("USS-08: Infobip by JSON, one step a call; the end of a session signs out", async () => {
  const call = (method: string, payload: object) => {
    service.pass(SECOND_MS);
    const url = `${ROOT}/infobip/${PATH_SECRET}/session/ib-1/${method}`;
    return service.app.inject({ method: "PUT", url, payload });
  };
  const fields = { msisdn: PHONE.slice(1), shortCode: "*131#" };
  const start = await call("start", { ...fields, text: "*131*1#" });
  expect(start.json()).toMatchObject({ shouldClose: false, responseExitCode: 200 });
  assert.match(start.json().ussdMenu, /^Mon compte\n/);
  await call("response", { ...fields, text: "2" });
  assert.match((await call("response", { ...fields, text: PIN })).json().ussdMenu, /^Mes infos/);
  assert.deepEqual(logins(), ["AUTH_SUCCESS"]);
  const end = await call("end", { exitCode: 510, reason: "timeout" });
  expect(end.json()).toEqual({ responseExitCode: 200, responseMessage: "" });
  assert.deepEqual(logins(), ["AUTH_SUCCESS", "LOGOUT"]);
  await call("end", { exitCode: 510, reason: "timeout" });
  assert.deepEqual(logins(), ["AUTH_SUCCESS", "LOGOUT"]);
});

test("USS-08: Twilio by voice, each step numbered in the URL that it signs", async () => {
  const line = "+221338000000";
  const code = { tenant_id: TENANT, service_code: line, country: "SN" };
  const url = "/v1/ussd/admin/service-codes";
  await service.call({ method: "PUT", url, claims: PLATFORM, payload: code });
  let path = `${ROOT}/twilio`;
  const press = (Digits: string, token = TWILIO_TOKEN) => {
    const fields = { CallSid: "CA1", From: PHONE, To: line, CallStatus: "in-progress", Digits };
    const signature = twilioSignatureOf(token, PUBLIC_URL + path, fields);
    const headers = { ...FORM, "x-twilio-signature": signature };
    return service.app.inject({ method: "POST", url: path, headers, payload: form(fields) });
  };
  const follow = async (digits: string): Promise<string> => {
    const { body } = await press(digits);
    const next = /action="(\?step=\d+)"/.exec(body)?.[1] ?? "";
    path = `${ROOT}/twilio${next}`;
    return body;
  };
  assert.match(await follow(""), /<Gather .*><Say language="fr-FR">Bienvenue<\/Say>/);
  await follow("1");
  await follow("2");
  const before = path;
  assert.match(await follow(PIN), /<Say language="fr-FR">Mes infos<\/Say>/);
  path = before;
  assert.match(await follow(PIN), /Mes infos/);
  assert.deepEqual(logins(), ["AUTH_SUCCESS"]);
  assert.equal((await press(PIN, "another token of the account 0123")).statusCode, 403);
});
