import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import type { OutboxRecord } from "@vigie/service-kit/postgres/outbox";
import { test } from "vitest";
import type { GeoEventRow } from "#geo-events/geo-events";
import type { Position } from "#gps/position";
import type { Person } from "#person";
import { defaultPrefs, type Prefs } from "#prefs/prefs";
import type { GeoContext } from "./geo-context.ts";
import type { Change, PlaceBook } from "./place-book.ts";

export interface BookUnderTest {
  readonly book: PlaceBook;
  /** Values of the records that went out for a person, in order. */
  published(person: Person): Promise<readonly string[]>;
  positions(person: Person): Promise<readonly Position[]>;
}

const T0 = Date.UTC(2026, 0, 5, 10);
const precise: Prefs = { ...defaultPrefs, gpsOptIn: true, precisionLevel: "precise" };
const inDakar: GeoContext = {
  source: "gps",
  country: "SN",
  region: "Dakar",
  city: "Dakar",
  geohash: "edeedfx",
  timezone: "Africa/Dakar",
  isVpn: false,
  isMobile: true,
  carrier: "Orange",
  capturedAtMs: T0,
};
const country = { country: "SN", region: null, city: null, geohash: null };
const event = (minute: number, more: Partial<GeoEventRow> = {}): GeoEventRow => {
  const { country, region, city, geohash } = inDakar;
  return {
    id: randomUUID(),
    type: "location_captured",
    occurredAtMs: T0 + minute * 60_000,
    ...{ country, region, city, geohash },
    details: { source: "gps" },
    ...more,
  };
};
const none: Change = { events: [] };
const all = { type: null, limit: 100, after: null };
const somebody = (tenantId = "molam-sn"): Person => ({ tenantId, userId: `u-${randomUUID()}` });
const record = (person: Person, text: string): OutboxRecord => ({
  topic: "id.geo.prefs",
  key: `${person.tenantId}|${person.userId}`,
  value: Buffer.from(text),
});
const position = (atMs: number): Position => ({
  lat: 14.6928,
  lon: -17.4467,
  accuracyM: 10,
  capturedAtMs: atMs,
});

/** What every PlaceBook promises. */
export const bookBehaviours: Readonly<Record<string, (opened: BookUnderTest) => Promise<void>>> = {
  "of whom nothing is known, the defaults are": async ({ book }) => {
    assert.deepEqual(await book.read(somebody()), { prefs: defaultPrefs, context: null });
  },
  "what is written is read, at once and by its person alone": async ({ book }) => {
    const awa = somebody();
    const prefs: Prefs = {
      ...precise,
      preferredCountry: "SN",
      preferredCurrency: "XOF",
      preferredLocale: "fr_SN",
      preferredTimezone: "Africa/Dakar",
      homeCountry: "GH",
    };
    await book.read(awa);
    await book.change(awa, () => ({ prefs, context: inDakar, events: [event(0)] }));
    assert.deepEqual(await book.read(awa), { prefs, context: inDakar });
    const paris = { ...inDakar, source: "ip", city: "Paris", geohash: null } as const;
    await book.change(awa, () => ({ ...none, context: paris }));
    assert.deepEqual(await book.read(awa), { prefs, context: paris });
    for (const other of [somebody(), { ...awa, tenantId: "molam-ci" }]) {
      assert.deepEqual(await book.read(other), { prefs: defaultPrefs, context: null });
      assert.deepEqual((await book.events(other, all)).items, []);
    }
  },
  "a change is decided on what is held, one after another": async ({ book }) => {
    const awa = somebody();
    const turns = Array.from({ length: 8 }, () =>
      book.change(awa, ({ context }) => ({
        ...none,
        context: { ...inDakar, capturedAtMs: (context?.capturedAtMs ?? T0) + 1 },
      })),
    );
    await Promise.all(turns);
    assert.equal((await book.read(awa)).context?.capturedAtMs, T0 + 8);
  },
  "a change that is refused leaves nothing": async ({ book, published }) => {
    const awa = somebody();
    await book.change(awa, () => ({ prefs: precise, events: [] }));
    const refused = book.change(awa, () => {
      throw new VigError("VIG_BODY_INVALID", { path: "x", why: "planted" });
    });
    await assert.rejects(refused, { code: "VIG_BODY_INVALID" });
    assert.deepEqual((await book.read(awa)).prefs, precise);
    assert.deepEqual(await published(awa), []);
  },
  "records go out in the order of their changes": async ({ book, published }) => {
    const awa = somebody();
    for (const text of ["1", "2"]) {
      await book.change(awa, () => ({ ...none, record: record(awa, text) }));
    }
    assert.deepEqual(await published(awa), ["1", "2"]);
  },
  "PRV-06: a position is kept with opt-in, and gone with its withdrawal": async (opened) => {
    const { book, positions } = opened;
    const awa = somebody();
    await book.change(awa, () => ({ prefs: precise, events: [] }));
    await book.change(awa, () => ({ ...none, context: inDakar, position: position(Date.now()) }));
    assert.equal((await positions(awa)).length, 1);
    await book.change(awa, () => ({ prefs: defaultPrefs, events: [] }));
    assert.deepEqual(await positions(awa), []);
    const { context } = await book.read(awa);
    assert.deepEqual(context, { ...inDakar, ...country, timezone: null });
  },
  "PRV-06: of a position the country stays, of an address all that the level allows": async (
    of,
  ) => {
    const { book } = of;
    const awa = somebody();
    const elsewhere = event(1, { geohash: null });
    await book.change(awa, () => ({ prefs: precise, events: [event(0), elsewhere] }));
    const byAddress = { ...inDakar, source: "ip", geohash: null } as const;
    await book.change(awa, () => ({ ...none, context: byAddress }));
    await book.change(awa, () => ({ prefs: defaultPrefs, events: [] }));
    assert.deepEqual((await book.read(awa)).context, byAddress);
    const [kept, cut] = (await book.events(awa, all)).items;
    assert.deepEqual(kept, elsewhere);
    assert.partialDeepStrictEqual(cut, country);
  },
  "PRV-07: what is kept is cut with the level, of the context and of events": async ({ book }) => {
    const awa = somebody();
    await book.change(awa, () => ({ prefs: precise, context: inDakar, events: [event(0)] }));
    const levels = [
      ["neighborhood", "edeedf", "Dakar", "Dakar"],
      ["city", "edeed", "Dakar", "Dakar"],
      ["region", "ede", "Dakar", null],
      ["country", "ed", null, null],
      // What is gone does not come back.
      ["precise", "ed", null, null],
    ] as const;
    for (const [precisionLevel, geohash, region, city] of levels) {
      await book.change(awa, () => ({ prefs: { ...precise, precisionLevel }, events: [] }));
      const { context } = await book.read(awa);
      const [kept] = (await book.events(awa, all)).items;
      for (const place of [context, kept]) {
        const found = [place?.country, place?.region, place?.city, place?.geohash];
        assert.deepEqual(found, [inDakar.country, region, city, geohash]);
      }
      assert.equal(context?.timezone, region && inDakar.timezone);
    }
  },
  "GEO-09: events come newest first, page by page, and one of an id once": async ({ book }) => {
    const awa = somebody();
    const events = [0, 1, 2, 2, 3].map((minute) => event(minute));
    await book.change(awa, () => ({ events }));
    await book.change(awa, () => ({ events: events.slice(0, 2) }));
    const expected = events.toSorted((a, b) =>
      a.occurredAtMs === b.occurredAtMs ? (a.id < b.id ? 1 : -1) : b.occurredAtMs - a.occurredAtMs,
    );
    assert.deepEqual((await book.events(awa, all)).items, expected);
    const found: GeoEventRow[] = [];
    let after: Awaited<ReturnType<PlaceBook["events"]>>["next"] = null;
    do {
      const page = await book.events(awa, { type: null, limit: 2, after });
      found.push(...page.items);
      after = page.next;
    } while (after !== null);
    assert.deepEqual(found, expected);
    const typed = [event(9, { type: "vpn_detected", details: { organisation: "NordVPN" } })];
    await book.change(awa, () => ({ events: typed }));
    const { items } = await book.events(awa, { ...all, type: "vpn_detected" });
    assert.deepEqual(items, typed);
  },
};

export function placeBookSuite(name: string, opened: () => BookUnderTest): void {
  for (const [behaviour, check] of Object.entries(bookBehaviours)) {
    test(`${name}: ${behaviour}`, () => check(opened()));
  }
}
