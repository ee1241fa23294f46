import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { GeoEvent } from "@vigie/schemas/types";
import { openSwitch } from "@vigie/testkit/tcp-switch";
import { afterAll, beforeAll, describe, test } from "vitest";
import { DAKAR, MINUTE, PHONE } from "./support/events.ts";
import { openPipelineCodecs } from "./support/own-records.ts";
import { allServices, TENANT } from "./support/pipeline.ts";
import { createService, type ServiceProcess } from "./support/processes.ts";
import { count } from "./support/read-model.ts";
import { redisContents } from "./support/redis-contents.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { until, untilTrue } from "./support/until.ts";

/** Places and consent, through all of Vigie: what geo is told, what the detector makes of it, what is left. */

const USSD_SECRET = "a-ussd-secret-of-the-end-to-end-tests";
const { pipeline, events } = await testPipeline([...allServices, "geo"], {
  TRUSTED_PROXIES: "127.0.0.1/32",
  USSD_WEBHOOK_SECRET: USSD_SECRET,
});
const geo = () => pipeline.service("geo");

const EIFFEL = { latitude: 48.85837, longitude: 2.294481 } as const;
/** Of Cloudflare. Source: the npm packages of GeoIP data. */
const IN_A_CLOUD = "104.16.0.1";
const CRASHED = Array.from({ length: 24 }, (_, n) => `crash-${n}`);
const PEOPLE = ["awa", "modou", "fatou", ...CRASHED];

interface Call {
  readonly body?: object;
  readonly from?: string;
  /** Of another instance. */
  readonly at?: string;
}

/** A person calls for themselves, in the session that they signed in with. */
async function call(
  user: string,
  method: string,
  path: string,
  { body, from, at = geo().url }: Call = {},
) {
  const token = pipeline.token({
    sub: user,
    sid: `s-${user}`,
    scope: "",
    user_type: "EXTERNAL",
  });
  return fetch(`${at}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(from !== undefined && { "x-forwarded-for": from }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

async function answered<T>(response: Response, status = 200): Promise<T> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  return JSON.parse(text) as T;
}

interface Prefs {
  readonly prefs: Readonly<Record<string, unknown>>;
}
interface Events {
  readonly events: readonly { readonly type: string; readonly details: object }[];
}

beforeAll(async () => {
  await pipeline.producer.send(
    "id.login",
    PEOPLE.map((userId) =>
      events.login({ userId, ...DAKAR, ...PHONE, occurredAt: Date.now() - 2 * MINUTE }),
    ),
  );
  await untilTrue("all are signed in", async () => {
    return (await count(pipeline, "sessions where is_active")) === PEOPLE.length;
  });
});

/** Records of a topic of one person, oldest first; null: a tombstone. */
async function recordsOf(topic: string, user: string): Promise<(Buffer | null)[]> {
  const all = await pipeline.reader.all(topic);
  return all.filter(({ key }) => String(key) === `${TENANT}|${user}`).map(({ value }) => value);
}

test("GEO-11, GEO-14: countries and detection ask nobody who they are", async () => {
  const listed = await answered<{ countries: { code: string }[] }>(
    await fetch(`${geo().url}/v1/geo/countries`),
  );
  assert.deepEqual(listed.countries.map(({ code }) => code).sort(), ["CI", "FR", "GH", "NG", "SN"]);
  const detected = await fetch(`${geo().url}/v1/geo/detect`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ phone: "+221771234567", mcc: 608, mnc: 1, ip: "41.82.17.203" }),
  });
  assert.partialDeepStrictEqual(await answered(detected), {
    country: "SN",
    detectionMethod: "phone",
  });
});

describe("a person in Dakar who says that they are in Paris two minutes later", () => {
  test("GEO-17, GEO-20: opts in, and is where they say", async () => {
    const chosen = await call("awa", "PUT", "/v1/geo/prefs", {
      body: { gpsOptIn: true, precisionLevel: "city" },
    });
    assert.partialDeepStrictEqual((await answered<Prefs>(chosen)).prefs, {
      gpsOptIn: true,
      precisionLevel: "city",
    });
    const body = { ...EIFFEL, accuracy: 10 };
    const told = await call("awa", "POST", "/v1/geo/context", { body, from: IN_A_CLOUD });
    assert.deepEqual(await answered(told), {
      status: "ok",
      gps: "used",
      context: { country: "FR", city: "Paris", timezone: "Europe/Paris", source: "gps" },
    });
  });

  test("PRV-07: id.geo has the cell that they consented to, and nowhere the position", async () => {
    const codecs = await openPipelineCodecs(pipeline);
    const [value] = await until("it is told", async () => {
      const found = await recordsOf("id.geo", "awa");
      return found.length > 0 ? found : null;
    });
    const decoder = codecs.decoder<GeoEvent>("id.geo");
    const decoded = await until("it is decoded", async () => {
      const outcome = decoder.decode(value ?? Buffer.alloc(0));
      return outcome.kind === "ok" ? outcome.value : null;
    });
    codecs.close();
    assert.equal(decoded.geohash, "u09tu");
    assert.ok(decoded.location?.lat !== EIFFEL.latitude);
    for (const exact of Object.values(EIFFEL)) {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(exact);
      assert.ok(!value?.includes(bytes), String(exact));
    }
  });

  test("ANO-05, GEO-24: the detector finds the journey, and it is on their own record", async () => {
    const found = await until("it is on record", async () => {
      const path = "/v1/geo/events?type=impossible_travel";
      const { events } = await answered<Events>(await call("awa", "GET", path));
      return events.length > 0 ? events : null;
    });
    assert.equal(found.length, 1);
    assert.partialDeepStrictEqual(found[0]?.details, { fromCountry: "SN", toCountry: "FR" });
    assert.ok((await geo().metric("fraud_detections_total", { kind: "impossible_travel" })) >= 1);
    const { events } = await answered<Events>(await call("awa", "GET", "/v1/geo/events"));
    const types = events.map(({ type }) => type);
    for (const type of ["location_captured", "vpn_detected"]) assert.ok(types.includes(type), type);
    const others = await answered<Events>(await call("modou", "GET", "/v1/geo/events"));
    assert.deepEqual(others.events, []);
  });

  test("CNF-26: erases it all, and is told what is gone; consent counts as never given", async () => {
    const erased = await answered<{ erased: Record<string, number> }>(
      await call("awa", "DELETE", "/v1/geo/prefs"),
    );
    assert.partialDeepStrictEqual(erased.erased, {
      preferences: 1,
      lastContext: 1,
      gpsPositions: 1,
    });
    const { prefs } = await answered<Prefs>(await call("awa", "GET", "/v1/geo/prefs"));
    assert.partialDeepStrictEqual(prefs, { gpsOptIn: false, precisionLevel: "city" });
    assert.equal((await call("awa", "GET", "/v1/geo/context")).status, 404);
    await untilTrue("edge and detector are told", async () => {
      return (await recordsOf("id.geo.prefs", "awa")).at(-1) === null;
    });
    await untilTrue("it is on record", async () => {
      return (await count(pipeline, "audit_log where action = 'privacy.location_erased'")) === 1;
    });
  });
});

test("what was answered before a kill -9 is kept and told once it runs again", async () => {
  const change = (user: string) =>
    call(user, "PUT", "/v1/geo/prefs", { body: { precisionLevel: "region" } });
  const underWay = CRASHED.map(async (user) => {
    try {
      return (await change(user)).status === 200 ? user : null;
    } catch {
      return null;
    }
  });
  await Promise.any(
    underWay.map(async (each) => {
      if ((await each) === null) throw new Error("not answered");
    }),
  );
  await geo().kill();
  const kept = (await Promise.all(underWay)).filter((user) => user !== null);
  assert.ok(kept.length > 0);
  await geo().start();
  for (const user of kept) {
    const { prefs } = await until("its session is known again", async () => {
      const response = await call(user, "GET", "/v1/geo/prefs");
      return response.status === 200 ? ((await response.json()) as Prefs) : null;
    });
    assert.equal(prefs.precisionLevel, "region", user);
  }
  await untilTrue("edge and detector are told of each", async () => {
    const told = new Set((await pipeline.reader.all("id.geo.prefs")).map(({ key }) => String(key)));
    return kept.every((user) => told.has(`${TENANT}|${user}`));
  });
});

describe("an instance whose servers go away and come back", () => {
  let other: ServiceProcess;
  const switches = new Map<string, { cut(): void; restore(): void; close(): Promise<void> }>();

  /** The same server at an address of ours. */
  async function behindSwitch(variable: string): Promise<[string, string]> {
    const url = new URL(pipeline.env[variable] ?? "");
    const port = Number(url.port);
    const tcp = await openSwitch();
    const restore = () => tcp.moveTo(port);
    switches.set(variable, { cut: () => tcp.moveTo(null), restore, close: () => tcp.close() });
    restore();
    url.port = String(tcp.port);
    return [variable, url.href];
  }

  beforeAll(async () => {
    const moved = await Promise.all(["DATABASE_URL", "REDIS_URL"].map(behindSwitch));
    const env = { ...pipeline.env, ...Object.fromEntries(moved) };
    const { directory } = pipeline;
    other = await createService({ name: "geo", env, directory });
    await other.start();
  });
  afterAll(async () => {
    await other.kill();
    await Promise.all([...switches.values()].map((each) => each.close()));
  });

  const ask = (method: string, path: string, body?: object) =>
    call("modou", method, path, { at: other.url, ...(body && { body }) });
  const changed = () => ask("PUT", "/v1/geo/prefs", { precisionLevel: "region" });
  const detected = () =>
    fetch(`${other.url}/v1/geo/detect`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ mcc: 608 }),
    });

  test.each([
    ["DATABASE_URL", "database"],
    ["REDIS_URL", "redis"],
  ])(
    "%s: says so with 503 where it is needed, and detects all the same",
    async (variable, part) => {
      await untilTrue("it changes preferences", async () => (await changed()).status === 200);
      switches.get(variable)?.cut();
      const refused = await until("a change is refused", async () => {
        const response = await changed();
        return response.status === 200 ? null : response;
      });
      assert.equal(refused.status, 503, await refused.text());
      assert.ok(Number(refused.headers.get("retry-after")) > 0);
      await untilTrue("health says so", async () => (await other.partsDown()).includes(part));
      assert.equal((await detected()).status, 200);
      assert.equal((await fetch(`${other.url}/v1/geo/countries/SN`)).status, 200);
      switches.get(variable)?.restore();
      await untilTrue("it changes preferences again", async () => (await changed()).status === 200);
      await untilTrue("health says so", async () => !(await other.partsDown()).includes(part));
    },
  );
});

const PHONE_OF_FATOU = "+221776543210";
const PIN = "482915";
const ACCOUNT =
  "CON Mon compte\n1. Vérifier mon identité\n2. Voir mes infos\n3. Changer mot de passe\n0. Retour";

/** What the gateway of an operator sends, signed as USS-04 says. */
async function dial(text: string, secret = USSD_SECRET) {
  const body = JSON.stringify({
    sessionId: "ATUid_7131",
    serviceCode: "*131#",
    phoneNumber: PHONE_OF_FATOU,
    text,
  });
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  return fetch(`${geo().url}/v1/ussd/webhook`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-ussd-signature": `sha256=${signature}` },
    body,
  });
}

const screen = async (text: string): Promise<string> => {
  const response = await dial(text);
  const body = await response.text();
  assert.equal(response.status, 200, body);
  return body;
};

async function administer(path: string, scope: string, body: object): Promise<void> {
  const response = await fetch(`${geo().url}/v1/ussd/admin/${path}`, {
    method: "PUT",
    headers: {
      authorization: `Bearer ${pipeline.token({ sub: "console", scope })}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, await response.text());
}

describe("*131# on a phone that is linked to a user", () => {
  beforeAll(async () => {
    const code = { tenant_id: TENANT, service_code: "*131#", country: "SN" };
    await administer("service-codes", "platform:admin", code);
    await administer("links", "id:admin", { phone: PHONE_OF_FATOU, user_id: "fatou" });
    await answered(await call("fatou", "PUT", "/v1/ussd/pin", { body: { pin: PIN } }));
  });

  test("USS-04: a callback that the gateway did not sign is refused", async () => {
    assert.equal((await dial("", "another-secret")).status, 403);
  });

  test("USS-07, CNF-27: shows the account; a kill -9 later the dialogue goes on and asks for the PIN", async () => {
    assert.match(await screen(""), /^CON Bienvenue\n1\. Mon compte/);
    assert.equal(await screen("1"), ACCOUNT);
    await geo().kill();
    await geo().start();
    assert.match(await screen("1*2"), /^CON .*PIN/s);
  });

  test("USS-02: the PIN links it to the ID, once, however often the callback comes", async () => {
    const wrong = await screen("1*2*1111");
    assert.match(wrong, /^CON PIN incorrect/);
    const typed = `1*2*1111*${PIN}`;
    const [first, ...again] = await Promise.all([screen(typed), screen(typed), screen(typed)]);
    assert.match(String(first), /^CON Mes infos\nNuméro: \.\.\.10/);
    for (const each of again) assert.equal(each, first);
    const session = "sessions where user_key = 'fatou' and session_key <> 's-fatou'";
    await untilTrue("a USSD session lives", async () => {
      return (await count(pipeline, `${session} and is_active`)) === 1;
    });
    const routed = await answered<Events>(
      await call("fatou", "GET", "/v1/geo/events?type=ussd_routed"),
    );
    assert.ok(routed.events.length > 0);
    assert.match(await screen(`${typed}*0*0*0`), /^END /);
    await untilTrue("it is signed out", async () => {
      return (await count(pipeline, `${session} and not is_active`)) === 1;
    });
  });

  test("neither PIN nor phone is in a log, a table, Redis or a topic", async () => {
    const digits = PHONE_OF_FATOU.slice(1);
    const holds = (text: string) => text.includes(PIN) || text.includes(digits);
    assert.ok(!holds(geo().output()));
    const kept = await redisContents(pipeline);
    assert.ok(kept.some(({ key }) => key.includes("ussd")));
    for (const { key, content } of kept) assert.ok(!holds([key, ...content].join()), key);
    for (const topic of ["id.login", "id.mfa", "id.geo", "id.audit"]) {
      const records = await pipeline.reader.all(topic);
      assert.ok(records.length > 0 || topic === "id.mfa", topic);
      for (const { value } of records) assert.ok(!holds(String(value)), topic);
    }
    for (const table of ["ussd_links", "ussd_pins", "molam_geo_events"]) {
      const { rows } = await pipeline.database.query<{ row: string }>(
        `select t::text as row from ${table} t`,
      );
      assert.ok(rows.length > 0, table);
      for (const { row } of rows) assert.ok(!holds(row), table);
    }
  });
});
