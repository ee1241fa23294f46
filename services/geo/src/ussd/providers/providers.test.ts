import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import fc from "fast-check";
import { describe, test } from "vitest";
import type { UssdCallback } from "../callback.ts";
import type { Screen } from "../machine/types.ts";
import { africasTalkingProvider } from "./africas-talking.ts";
import { infobipProvider } from "./infobip.ts";
import type { Provider, RawCallback } from "./provider.ts";
import { twilioProvider, twilioSignatureOf } from "./twilio.ts";
import { signatureOf, vigieProvider } from "./vigie.ts";

const SECRET = "a secret of the webhook, long enough";
const BEFORE = "the one before it, long enough, too.";
const TURN = {
  sessionId: "ATUid_1",
  serviceCode: "*131#",
  phoneNumber: "+221771234567",
  text: "1*2",
};
const SCREEN: Screen = {
  kind: "CON",
  language: "fr",
  name: "account",
  text: "Mon compte\n1. Vérifier <mon> identité",
};

const raw = (body: string | object, more: Partial<RawCallback> = {}): RawCallback => ({
  headers: {},
  mediaType: "json",
  body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
  path: "/v1/ussd/webhook",
  address: "196.201.214.200",
  secret: null,
  session: null,
  ...more,
});
const form = (fields: Record<string, string>, more: Partial<RawCallback> = {}): RawCallback =>
  raw(new URLSearchParams(fields).toString(), { mediaType: "form", ...more });
const turnOf = (provider: Provider, request: RawCallback): UssdCallback => {
  const read = provider.read(request);
  assert.ok(read.kind === "turn");
  return read.callback;
};
const refusesBody = (path: string) => (thrown: unknown) =>
  thrown instanceof VigError && thrown.code === "VIG_BODY_INVALID" && thrown.details.path === path;

describe("USS-04, CNF-27: our own signature", () => {
  const provider = vigieProvider([SECRET, BEFORE]);
  const signed = (body: string, over = body, secret = SECRET): boolean =>
    provider.vouchesFor(raw(body, { headers: { "x-ussd-signature": signatureOf(secret, over) } }));
  const text = JSON.stringify(TURN);
  const spaced = JSON.stringify(TURN, null, 2);

  test("over the bytes received, by the current secret or the one before", () => {
    assert.ok(signed(text));
    assert.ok(signed(spaced));
    assert.ok(signed(text, text, BEFORE));
    assert.ok(!signed(text, text, "another secret of the webhook, long"));
  });

  test("over the body serialised again, also of a form", () => {
    assert.ok(signed(spaced, text));
    const body = form(TURN);
    assert.ok(
      provider.vouchesFor({ ...body, headers: { "x-ussd-signature": signatureOf(SECRET, text) } }),
    );
    assert.ok(!signed(text, spaced));
  });

  test("any changed byte of body or signature, no signature, another scheme: refused", () => {
    const signature = signatureOf(SECRET, text);
    const bytes = Buffer.from(text);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(bytes);
        changed[at] = (bytes[at] ?? 0) ^ flip;
        const headers = { "x-ussd-signature": signature };
        assert.ok(!provider.vouchesFor({ ...raw(""), body: changed, headers }));
      }),
    );
    for (const given of [
      "",
      "sha256=",
      signature.slice(7),
      signature.slice(0, -1),
      `${signature}0`,
    ]) {
      assert.ok(!provider.vouchesFor(raw(text, { headers: { "x-ussd-signature": given } })), given);
    }
    assert.ok(!provider.vouchesFor(raw(text)));
    // Deeper than it can be written again.
    const deep = `{"a":${"[".repeat(8_000)}${"]".repeat(8_000)}}`;
    assert.ok(!provider.vouchesFor(raw(deep, { headers: { "x-ussd-signature": signature } })));
    assert.ok(
      !vigieProvider([]).vouchesFor(raw(text, { headers: { "x-ussd-signature": signature } })),
    );
  });
});

describe("USS-03, USS-05: our own format", () => {
  const provider = vigieProvider([SECRET]);

  test("reads session, code, phone and text, answers in plain text", () => {
    const turn = turnOf(provider, raw(TURN));
    assert.deepEqual(turn, {
      provider: "vigie",
      sessionId: "ATUid_1",
      serviceCode: "*131#",
      phone: "+221771234567",
      input: { kind: "whole", text: "1*2" },
    });
    assert.deepEqual(provider.answer(SCREEN, turn), {
      contentType: "text/plain; charset=utf-8",
      body: `CON ${SCREEN.text}`,
    });
  });

  test.each([
    ["body", "["],
    ["body", "[]"],
    ["body", "null"],
    ["sessionId", { ...TURN, sessionId: "" }],
    ["sessionId", { ...TURN, sessionId: "x".repeat(129) }],
    ["sessionId", { ...TURN, sessionId: 7 }],
    ["serviceCode", { ...TURN, serviceCode: "131*" }],
    ["phoneNumber", { ...TURN, phoneNumber: "0771234567" }],
    ["phoneNumber", { ...TURN, phoneNumber: `+2${"1".repeat(20)}` }],
    ["text", { ...TURN, text: "1".repeat(1_025) }],
  ])("refuses a body whose %s is no such thing", (path, body) => {
    assert.throws(() => provider.read(raw(body)), refusesBody(path));
  });
});

describe("USS-08: Africa's Talking", () => {
  const provider = africasTalkingProvider({
    sources: ["196.201.214.0/24", "2001:db8::7"],
    pathSecrets: [SECRET],
  });

  test("is known by its address and the secret of the path, never by one of them", () => {
    assert.ok(provider.vouchesFor(form(TURN, { secret: SECRET })));
    assert.ok(provider.vouchesFor(form(TURN, { secret: SECRET, address: "2001:db8::7" })));
    assert.ok(!provider.vouchesFor(form(TURN, { secret: SECRET, address: "196.201.215.1" })));
    assert.ok(!provider.vouchesFor(form(TURN, { secret: SECRET, address: null })));
    assert.ok(!provider.vouchesFor(form(TURN, { secret: BEFORE })));
    assert.ok(!provider.vouchesFor(form(TURN)));
  });

  test("reads form-encoded callbacks, also with a plus that was not encoded", () => {
    const turn = turnOf(provider, form(TURN));
    assert.equal(turn.phone, "+221771234567");
    const body = "sessionId=a&serviceCode=*131%23&phoneNumber=+221771234567&text=";
    const plain = turnOf(provider, raw(body, { mediaType: "form" }));
    assert.equal(plain.phone, "+221771234567");
    assert.equal(plain.serviceCode, "*131#");
  });

  test("refuses a parameter that comes twice", () => {
    const body = `${new URLSearchParams(TURN)}&text=2`;
    assert.throws(() => provider.read(raw(body, { mediaType: "form" })), refusesBody("text"));
  });

  test("a notice of the end of a session tells so", () => {
    const notice = { ...TURN, status: "Success", durationInMillis: "5000", input: "1*2" };
    const session = { provider: "africastalking", sessionId: "ATUid_1" };
    assert.deepEqual(provider.read(form(notice)), { kind: "over", session });
  });

  test("serves the four countries of the source", () => {
    assert.deepEqual([...(provider.countries ?? [])].sort(), ["CI", "GH", "NG", "SN"]);
  });
});

describe("USS-08: Twilio", () => {
  const TOKEN = "12345";
  const CALL = {
    CallSid: "CA1234567890ABCDE",
    Caller: "+12349013030",
    Digits: "1234",
    From: "+12349013030",
    To: "+18005551212",
  };
  const provider = twilioProvider({
    authTokens: [BEFORE, TOKEN],
    publicUrl: "https://mycompany.com/",
  });
  const PATH = "/myapp.php?foo=1&bar=2";
  // Source: the worked example of Twilio's documentation.
  const SIGNATURE = "0/KCTR6DLpKmkAf8muzZqo1nDgQ=";
  const call = (fields: Record<string, string>, more: Partial<RawCallback> = {}) =>
    form(fields, { path: PATH, headers: { "x-twilio-signature": SIGNATURE }, ...more });

  test("signs as in the documentation's example", () => {
    assert.equal(twilioSignatureOf(TOKEN, `https://mycompany.com${PATH}`, CALL), SIGNATURE);
    assert.ok(provider.vouchesFor(call(CALL)));
  });

  test("another URL, another value, another token, JSON, no signature: refused", () => {
    assert.ok(!provider.vouchesFor(call(CALL, { path: "/myapp.php?foo=1&bar=3" })));
    assert.ok(!provider.vouchesFor(call({ ...CALL, Digits: "1235" })));
    assert.ok(!provider.vouchesFor(call(CALL, { headers: {} })));
    assert.ok(!provider.vouchesFor(call(CALL, { mediaType: "json" })));
    const other = twilioProvider({ authTokens: [BEFORE], publicUrl: "https://mycompany.com" });
    assert.ok(!other.vouchesFor(call(CALL)));
  });

  test("reads the digits as one step, numbered by the URL that it was told to call", () => {
    const turn = turnOf(provider, call(CALL, { path: "/myapp.php?step=3" }));
    assert.deepEqual(turn.input, { kind: "step", text: "1234", number: 3 });
    assert.equal(turn.serviceCode, "+18005551212");
    const dialled = turnOf(provider, call({ ...CALL, Digits: "" }));
    assert.deepEqual(dialled.input, { kind: "step", text: "", number: 0 });
    for (const query of ["step=x", "step=1&step=2", "step=10000"]) {
      const path = `/myapp.php?${query}`;
      assert.throws(() => provider.read(call(CALL, { path })), refusesBody("step"));
    }
  });

  test("answers TwiML: lines spoken in the language, escaped; an end hangs up", () => {
    const turn = turnOf(provider, call(CALL, { path: "/myapp.php?step=3" }));
    const head = '<?xml version="1.0" encoding="UTF-8"?><Response>';
    const says =
      '<Say language="fr-FR">Mon compte</Say><Say language="fr-FR">1. Vérifier &lt;mon&gt; identité</Say>';
    const gather = '<Gather input="dtmf" method="POST" action="?step=4" timeout="10">';
    assert.equal(
      provider.answer(SCREEN, turn).body,
      `${head}${gather}${says}</Gather><Hangup/></Response>`,
    );
    const end = provider.answer({ ...SCREEN, kind: "END" }, turn);
    assert.equal(end.body, `${head}${says}<Hangup/></Response>`);
  });

  test("tells of a call that is over", () => {
    const session = { provider: "twilio", sessionId: CALL.CallSid };
    const over = provider.read(call({ ...CALL, CallStatus: "completed" }));
    assert.deepEqual(over, { kind: "over", session });
    assert.equal(provider.read(call({ ...CALL, CallStatus: "in-progress" })).kind, "turn");
  });
});

describe("USS-08: Infobip", () => {
  const provider: Provider = infobipProvider({
    sources: ["193.105.74.0/24"],
    pathSecrets: [SECRET],
  });
  const body = { msisdn: "221771234567", text: "*131#", shortCode: "*131#", ussdGwId: "live2" };
  const call = (method: string, fields: object = body) =>
    raw(fields, { secret: SECRET, address: "193.105.74.9", session: { id: "s-1", method } });
  const read = (method: string, fields?: object) => turnOf(provider, call(method, fields));

  test("is known by its address and the secret of the path", () => {
    assert.ok(provider.vouchesFor(call("start")));
    assert.ok(!provider.vouchesFor({ ...call("start"), secret: null }));
    assert.ok(!provider.vouchesFor({ ...call("start"), address: "193.105.75.9" }));
  });

  test("a start has the code as dialled, a response one step", () => {
    assert.deepEqual(read("start").input, { kind: "step", text: "", number: 0 });
    assert.equal(read("start").phone, "+221771234567");
    assert.equal(read("start", { ...body, text: "*131*1*2#" }).serviceCode, "*131*1*2#");
    const response = read("response", { ...body, text: "1", shortCode: "131" });
    assert.deepEqual(response.input, { kind: "step", text: "1", number: null });
    assert.equal(response.serviceCode, "*131#");
  });

  test("refuses a path that names no session, or does nothing known to one", () => {
    const session = (id: string, method: string) => ({ ...call(method), session: { id, method } });
    for (const id of ["", "x".repeat(129), "s 1", "s\u0000"]) {
      assert.throws(() => provider.read(session(id, "end")), refusesBody("id"));
    }
    assert.throws(() => provider.read(session("s-1", "again")), refusesBody("path"));
  });

  test("an end is over, and names no phone", () => {
    const session = { provider: "infobip", sessionId: "s-1" };
    const over = provider.read(call("end", { exitCode: 200, reason: "" }));
    assert.deepEqual(over, { kind: "over", session });
  });

  test("answers the menu and whether it is the last one", () => {
    const answer = JSON.parse(provider.answer({ ...SCREEN, kind: "END" }, read("start")).body);
    assert.deepEqual(answer, {
      shouldClose: true,
      ussdMenu: SCREEN.text,
      responseExitCode: 200,
      responseMessage: "",
    });
  });
});
