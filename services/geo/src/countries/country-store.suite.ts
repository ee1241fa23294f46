import assert from "node:assert/strict";
import { test } from "vitest";
import type { Country, StoredCountry } from "./country.ts";
import type { CountryChange, CountryStore } from "./country-store.ts";
import { seed } from "./matrix.ts";

const [senegal] = seed as readonly [Country];
const agree = async () => {};
const AT_MS = Date.UTC(2026, 0, 5);

const changeOf = (seenVersion: number, changes: Partial<Country>): CountryChange => ({
  seenVersion,
  next: {
    country: { ...senegal, ...changes },
    version: seenVersion + 1,
    updatedAtMs: AT_MS,
    updatedBy: "admin-1",
  },
});

/** What every store of countries promises. `open`: one as the migrations leave it. */
export function countryStoreSuite(name: string, open: () => Promise<CountryStore>): void {
  test(`${name}: GEO-05, GEO-06: begins as the typed source has it, by code`, async () => {
    const rows = await (await open()).readAll();
    const expected = [...seed].sort((a, b) => (a.code < b.code ? -1 : 1));
    assert.deepEqual(
      rows.map(({ country }) => country),
      expected,
    );
    assert.ok(rows.every(({ version, updatedBy }) => version === 1 && updatedBy === "vigie"));
  });

  test(`${name}: keeps every member of a change, and who made it`, async () => {
    const store = await open();
    const change = changeOf(1, {
      name: "Sénégal '2'",
      timezones: ["Africa/Dakar", "Africa/Abidjan"],
      ussdGatewayUrl: "https://ussd.example/in",
      active: false,
      supportsMobileMoney: false,
      carriers: [{ name: 'A "carrier"', mncs: [7, 8], asns: [] }],
    });
    let seen: StoredCountry | null = null;
    const outcome = await store.change(change, async (before) => {
      seen = before;
    });
    assert.deepEqual(outcome, { kind: "changed" });
    assert.deepEqual((seen as StoredCountry | null)?.country, senegal);
    assert.deepEqual(await store.read("SN"), change.next);
  });

  test(`${name}: takes a country that is not there yet, once`, async () => {
    const store = await open();
    assert.equal(await store.read("GN"), null);
    const early = changeOf(1, { code: "GN", ussdPrefix: null, supportsUssd: false });
    assert.deepEqual(await store.change(early, agree), { kind: "stale", version: 0 });
    const change = changeOf(0, { code: "GN", ussdPrefix: null, supportsUssd: false });
    assert.deepEqual(await store.change(change, agree), { kind: "changed" });
    assert.deepEqual(await store.read("GN"), change.next);
    assert.deepEqual(await store.change(change, agree), { kind: "stale", version: 1 });
  });

  test(`${name}: of changes to the same version one is made, the others are stale`, async () => {
    const store = await open();
    const names = ["a", "b", "c", "d"];
    const outcomes = await Promise.all(
      names.map((name) => store.change(changeOf(1, { name }), agree)),
    );
    assert.equal(outcomes.filter(({ kind }) => kind === "changed").length, 1);
    for (const outcome of outcomes) {
      if (outcome.kind === "stale") assert.equal(outcome.version, 2);
    }
    assert.equal((await store.read("SN"))?.version, 2);
  });

  test(`${name}: of new countries of one code one is taken`, async () => {
    const store = await open();
    const changes = ["a", "b", "c"].map((name) => changeOf(0, { code: "GN", name }));
    const outcomes = await Promise.all(changes.map((change) => store.change(change, agree)));
    assert.equal(outcomes.filter(({ kind }) => kind === "changed").length, 1);
  });

  test(`${name}: a change that cannot be put on record does not happen`, async () => {
    const store = await open();
    const refuse = async () => {
      throw new Error("no audit");
    };
    await assert.rejects(store.change(changeOf(1, { name: "x" }), refuse), /no audit/);
    assert.deepEqual((await store.read("SN"))?.country, senegal);
    assert.deepEqual(await store.change(changeOf(1, { name: "y" }), agree), { kind: "changed" });
  });
}
