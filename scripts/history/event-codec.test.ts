import type { RawEvent } from "@vigie/detector/enrich/event";
import { unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { TextMap } from "@vigie/schemas/codec-core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { EventDecoder, EventEncoder, type ReadEvent } from "./event-codec.ts";
import type { HistoryEvent } from "./minimise.ts";

const people = ["1", "2", "3"].map((digit) => `0000000${digit}-0000-4000-8000-000000000000`);
const nullable = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: null });
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const cities = [
  placeAt({ lat: 14.69, lon: -17.44 }, 150, "SN", "Dakar"),
  placeAt({ lat: 48.85, lon: 2.35 }, 25, "FR", "Paris", 0xffff),
  null,
];

const anyDevice: fc.Arbitrary<RawEvent["device"]> = nullable(
  fc.record({
    device_id: nullable(fc.uuid()),
    fingerprint: nullable(
      fc.record({
        similarity: nullable(fc.constantFrom(0, 0.5, 0.84)),
        signals: nullable(
          fc
            .dictionary(fc.constantFrom("os", "screen", "x1"), fc.constantFrom("a", "é", ""))
            .map((texts) => TextMap.of(texts)),
        ),
      }),
    ),
  }),
);

const anyEvent = fc.record({
  topic: fc.constantFrom("id.login", "id.mfa", "id.geo"),
  kind: optional(fc.constantFrom("AUTH_SUCCESS", "FAIL")),
  laterMs: fc.integer({ min: -100_000, max: 1_000_000 }),
  agoMs: fc.integer({ min: -300_000, max: 2_592_000_000 }),
  id: fc.uuid(),
  user: fc.constantFrom(...people),
  session: nullable(fc.uuid()),
  channel: fc.constantFrom("MOBILE", "WEB") as fc.Arbitrary<RawEvent["channel"]>,
  roles: optional(fc.constantFrom([], ["customer"], ["teller", "é"])),
  ip: nullable(fc.constantFrom("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:9")),
  agent: nullable(fc.constantFrom("agent-1", "agent-2")),
  place: fc.constantFrom(...cities),
  device: optional(anyDevice),
  location: nullable(fc.constantFrom("SN", "FR")),
  sim: optional(nullable(fc.constantFrom({ mcc: 608 }, { mcc: 208 }))),
  geohash: optional(nullable(fc.constantFrom("eddec", "ed"))),
  precision: optional(fc.constantFrom(2, 5)),
});
type Drawn = typeof anyEvent extends fc.Arbitrary<infer T> ? T : never;

function eventOf(drawn: Drawn, timestampMs: number): HistoryEvent {
  const { kind, roles, ip, agent, device, location, sim, geohash, precision } = drawn;
  return {
    topic: drawn.topic,
    timestampMs,
    value: {
      event_id: drawn.id,
      tenant_id: "acme",
      user_id: drawn.user,
      occurred_at: timestampMs - drawn.agoMs,
      ...(kind !== undefined && { kind }),
      session_id: drawn.session,
      channel: drawn.channel,
      ...(roles !== undefined && { roles }),
      network: ip === null && agent === null ? null : { ip, user_agent: agent },
      ...(device !== undefined && { device }),
      location: location && {
        source: "GPS",
        lat: 1.5,
        lon: -2.5,
        accuracy_m: null,
        country: location,
        city: null,
      },
      ...(sim !== undefined && { sim }),
      ...(geohash !== undefined && { geohash }),
    },
    address:
      ip === null
        ? unknownAddress
        : { ...unknownAddress, place: drawn.place, organisation: "One", asn: 1 },
    userAgent:
      agent === null
        ? null
        : { os: agent, osVersion: "1", browser: "", browserVersion: "", platform: "mobile" },
    ...(precision !== undefined && { precision }),
  };
}

function readAll<U>(decoder: EventDecoder<U>, block: Buffer): ReadEvent<U>[] {
  const events: ReadEvent<U>[] = [];
  decoder.open(block);
  for (let event = decoder.next(); event !== null; event = decoder.next()) events.push(event);
  return events;
}

const plain = (event: HistoryEvent): unknown =>
  JSON.parse(
    JSON.stringify(event, (_key, value: unknown) =>
      value instanceof TextMap ? Object.entries(value.toObject()).sort() : value,
    ),
  );

test("what is read is what was written, over any number of blocks", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyEvent, fc.boolean()), { maxLength: 60 }), (drawn) => {
      const encoder = new EventEncoder();
      const events: HistoryEvent[] = [];
      const blocks: Buffer[] = [];
      let atMs = Date.UTC(2026, 10, 20);
      for (const [one, endsBlock] of drawn) {
        atMs += one.laterMs;
        const event = eventOf(one, atMs);
        events.push(event);
        encoder.add(event);
        if (endsBlock) blocks.push(encoder.take());
      }
      blocks.push(encoder.take());
      const decoder = new EventDecoder("acme", (userId) => userId);
      const read = blocks.flatMap((block) => readAll(decoder, block));
      expect(read.map(({ own, ...event }) => plain(event))).toEqual(events.map(plain));
      expect(read.map(({ own }) => own)).toEqual(events.map(({ value }) => value.user_id));
    }),
  );
});

test("tables of shared values start over when they are full", () => {
  const encoder = new EventEncoder();
  const ips = Array.from({ length: 40_000 }, (_, i) => `1:2:3:4:5:6:7:${i.toString(16)}`);
  const given = [...ips, ...ips.slice(0, 1_000)];
  const [base] = fc.sample(anyEvent, { numRuns: 1, seed: 1 }) as [Drawn];
  for (const ip of given) encoder.add(eventOf({ ...base, ip: ip as never }, 1_000_000));
  const read = readAll(new EventDecoder("acme", () => null), encoder.take());
  expect(read.map(({ value }) => value.network?.ip)).toEqual(given);
});

test("an event like the user's last takes few bytes", () => {
  const encoder = new EventEncoder();
  const [base] = fc.sample(anyEvent, { numRuns: 1, seed: 1 }) as [Drawn];
  encoder.add(eventOf(base, 1_000_000));
  encoder.take();
  encoder.add(eventOf({ ...base, id: people[0] as string }, 1_030_000));
  expect(encoder.size).toBeLessThan(30);
});
