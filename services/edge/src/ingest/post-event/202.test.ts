import assert from "node:assert/strict";
import { partitionOf } from "@vigie/core/keys";
import {
  SAMPLE_KEY,
  sampleGeo,
  sampleHeartbeat,
  sampleLogin,
  sampleMfa,
} from "@vigie/schemas/samples";
import { test } from "vitest";
import { ConsentBook } from "../../consents/consents.ts";
import { NOW_MS, person, post, producedValues, testEdge } from "../../test-edge.ts";

const samples = {
  login: sampleLogin,
  heartbeat: sampleHeartbeat,
  mfa: sampleMfa,
  geo: sampleGeo,
} as const;

test.each(Object.entries(samples))(
  "a %s event is answered with where the broker put it",
  async (type, sample) => {
    const edge = testEdge();
    const response = await post(edge, `/v1/events/${type}`, sample);
    assert.equal(response.statusCode, 202, response.body);
    assert.deepEqual(response.json(), {
      event_id: sample.event_id,
      topic: `id.${type}`,
      partition: partitionOf(SAMPLE_KEY, 6),
      offset: 0,
    });
    assert.equal(edge.output.produced[0]?.key, SAMPLE_KEY);
    const { location: _, ...rest } = sample;
    assert.partialDeepStrictEqual(producedValues(edge)[0], rest);
  },
);

test("the smallest login gets an id, the token's tenant and the contract's defaults", async () => {
  const edge = testEdge();
  const body = { user_id: "u-1", occurred_at: NOW_MS, kind: "AUTH_FAIL", channel: "USSD" };
  const response = await post(edge, "/v1/events/login", body);
  assert.equal(response.statusCode, 202, response.body);
  const [value] = producedValues(edge);
  assert.match(String(response.json().event_id), /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  assert.equal(value?.event_id, response.json().event_id);
  assert.partialDeepStrictEqual(value, { tenant_id: "molam-sn", roles: [], network: null });
});

test.each([
  ["2026-01-05T10:00:00Z", NOW_MS],
  ["2026-01-05T10:00Z", NOW_MS],
  ["2026-01-05T11:00:00.250+01:00", NOW_MS + 250],
  [NOW_MS + 1, NOW_MS + 1],
])("event time %s is taken", async (occurredAt, expectedMs) => {
  const edge = testEdge();
  await post(edge, "/v1/events/login", { ...sampleLogin, occurred_at: occurredAt });
  assert.equal(producedValues(edge)[0]?.occurred_at, expectedMs);
});

test("a tenant in body and header that agrees with the token is taken", async () => {
  const edge = testEdge();
  const headers = { "x-tenant-id": "molam-sn" };
  const response = await post(edge, "/v1/events/login", sampleLogin, { headers });
  assert.equal(response.statusCode, 202, response.body);
});

test("PRV-07: coordinates leave the edge as the centre of their geohash-5 cell", async () => {
  const edge = testEdge();
  await post(edge, "/v1/events/login", sampleLogin);
  const given = sampleLogin.location;
  const location = producedValues(edge)[0]?.location as typeof given;
  assert.ok(location && given);
  assert.notEqual(location.lat, given.lat);
  // Then the cell edeed holds both, and the accuracy reaches the true place
  assert.ok(Math.abs((location.lat ?? 0) - 14.6997) < 1e-4);
  assert.equal(location.accuracy_m, 3_409);
});

test("a long user agent is cut to 1,024 characters", async () => {
  const edge = testEdge();
  const network = { ip: "41.82.0.17", user_agent: "a".repeat(5_000) };
  const response = await post(edge, "/v1/events/login", { ...sampleLogin, network });
  assert.equal(response.statusCode, 202, response.body);
  const cut = producedValues(edge)[0]?.network as { user_agent: string };
  assert.equal(cut.user_agent.length, 1_024);
});

test("HBT-01: a person's heartbeat: who, when and from where the edge says itself", async () => {
  const edge = testEdge({ trustedProxies: ["127.0.0.1/32"] });
  const fingerprint = { hash: "h", similarity: 1, signals: { os: "Android" } };
  const body = {
    channel: "MOBILE",
    device: { device_id: "d-1", fingerprint },
    network: { ip: "1.2.3.4", user_agent: "forged" },
    location: { source: "GPS", lat: 14.69, lon: -17.44 },
    sim: { mcc: 208 },
    occurred_at: NOW_MS - 60_000,
    roles: ["admin"],
  };
  const response = await post(edge, "/api/id/sessions/heartbeat", body, {
    claims: { ...person, roles: ["customer"] },
    headers: { "user-agent": "Molam/4.12", "x-forwarded-for": "41.82.0.17" },
  });
  assert.equal(response.statusCode, 202, response.body);
  assert.partialDeepStrictEqual(producedValues(edge)[0], {
    user_id: person.sub,
    session_id: person.sid,
    occurred_at: NOW_MS,
    user_type: "EXTERNAL",
    roles: ["customer"],
    network: { ip: "41.82.0.17", user_agent: "Molam/4.12" },
    device: { device_id: "d-1", fingerprint: { hash: "h", similarity: null } },
    location: null,
    sim: null,
    source: "edge",
  });
});

test("X-Forwarded-For of one that is no trusted proxy does not count", async () => {
  const edge = testEdge({ trustedProxies: ["10.0.0.0/8"] });
  const headers = { "x-forwarded-for": "41.82.0.17" };
  await post(edge, "/v1/events/heartbeat", { channel: "WEB" }, { claims: person, headers });
  const network = producedValues(edge)[0]?.network as { ip: string };
  assert.equal(network.ip, "127.0.0.1");
});

test("what a trusted proxy passes on is taken only if it is an address", async () => {
  const edge = testEdge({ trustedProxies: ["127.0.0.1/32"] });
  const headers = { "x-forwarded-for": "not-an-address" };
  await post(edge, "/v1/events/heartbeat", { channel: "WEB" }, { claims: person, headers });
  assert.partialDeepStrictEqual(producedValues(edge)[0], { network: { ip: null } });
});

test("a person's own place is taken as a geo event, cut, with its geohash", async () => {
  const edge = testEdge();
  const body = {
    channel: "MOBILE",
    location: { source: "GPS", lat: 14.6928, lon: -17.4467, accuracy_m: 10 },
    geohash: "u09tvw0",
  };
  const response = await post(edge, "/v1/events/geo", body, { claims: person });
  assert.equal(response.statusCode, 202, response.body);
  const [value] = producedValues(edge);
  assert.equal(value?.geohash, "edeed");
  assert.partialDeepStrictEqual(value?.location, { accuracy_m: 3_409 });
});

test.each([
  [2, "ed", 14.0625, null],
  [3, "ede", 14.7656, null],
  [6, "edeedf", 14.6915, "Dakar"],
  [7, "edeedfx", 14.6922, "Dakar"],
])(
  "DESIGN, Erasure and consent: places go on to the %d characters of their cell that their person consents to",
  async (length, geohash, lat, city) => {
    const consents = { lengthOf: (key: string) => (key === "molam-sn|usr_1" ? length : 5) };
    const edge = testEdge({ consents });
    const gps = { source: "GPS", lat: 14.6928, lon: -17.4467, accuracy_m: 10, city: "Dakar" };
    const body = { user_id: "usr_1", occurred_at: NOW_MS, channel: "MOBILE", location: gps };
    for (const type of ["geo", "heartbeat"]) {
      const response = await post(edge, `/v1/events/${type}`, {
        ...body,
        ...(type === "geo" ? { geohash: "edeedfx" } : { session_id: "s-1" }),
      });
      assert.equal(response.statusCode, 202, response.body);
    }
    const [geo, heartbeat] = producedValues(edge);
    assert.equal(geo?.geohash, geohash);
    assert.deepEqual(heartbeat?.location, geo?.location);
    const cut = geo?.location as { lat: number; city: string | null };
    assert.ok(Math.abs(cut.lat - lat) < 1e-4, `${cut.lat}`);
    assert.equal(cut.city, city);
  },
);

test("while consents are not known no coordinate goes on", async () => {
  const edge = testEdge({ consents: new ConsentBook() });
  const gps = { source: "GPS", lat: 14.6928, lon: -17.4467, country: "SN", city: "Dakar" };
  const body = { user_id: "usr_1", occurred_at: NOW_MS, channel: "MOBILE", location: gps };
  const response = await post(edge, "/v1/events/geo", { ...body, geohash: "edeedfx" });
  assert.equal(response.statusCode, 202, response.body);
  const [value] = producedValues(edge);
  assert.equal(value?.geohash, null);
  assert.deepEqual(value?.location, { ...gps, lat: null, lon: null, city: null, accuracy_m: null });
});

test.each([
  ["heartbeat", "https://app.molam.example"],
  ["geo", "https://app.molam.example"],
  // Services alone report these: a page that sends one cannot read the answer.
  ["login", undefined],
  ["mfa", undefined],
] as const)("SEC-05: the answer to a %s says of origins: %s", async (type, allowed) => {
  const headers = { origin: "https://app.molam.example" };
  const response = await post(testEdge(), `/v1/events/${type}`, samples[type], { headers });
  assert.equal(response.headers["access-control-allow-origin"], allowed);
  assert.equal(response.headers["x-content-type-options"], "nosniff");
});
