import { readFileSync } from "node:fs";
import { type Logger, silentLogger } from "@vigie/core/log";
import type { DatabaseOptions } from "@vigie/service-kit/postgres/connection";
import { openSwitch } from "@vigie/testkit/tcp-switch";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { type GeoTables, geoTables } from "#test-tables";
import { countryStoreSuite } from "./country-store.suite.ts";
import { postgresCountries } from "./country-store.ts";
import { type FollowedCountries, followCountries } from "./follow-countries.ts";
import { seededRows } from "./memory-countries.ts";

const migration = readFileSync(
  new URL("../../migrations/002_countries.sql", import.meta.url),
  "utf8",
);
const seeding = migration.slice(migration.indexOf("insert into molam_country_matrix"));
/** Source: the promise to administrators, in force everywhere within a second. */
const SOON = { timeout: 1_000, interval: 5 };
const LATER = { timeout: 10_000, interval: 20 };

let tables: GeoTables;

beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());

const reseed = () =>
  tables.owner.transaction(async (tx) => {
    await tx.query("delete from molam_country_matrix");
    await tx.query(seeding);
  });
beforeEach(async () => {
  await reseed();
});

countryStoreSuite("PostgreSQL", async () => postgresCountries(tables.geo));

function options(port?: number): DatabaseOptions {
  const { postgres, schema } = tables.servers;
  const url = new URL(postgres);
  if (port !== undefined) url.port = String(port);
  return {
    url: url.href,
    schema,
    role: "vigie_geo",
    applicationName: "countries-test",
    statementTimeoutMs: 5_000,
  };
}

interface Followed {
  readonly matrix: FollowedCountries;
  readonly states: boolean[];
}

async function follow(database = options(), log: Logger = silentLogger): Promise<Followed> {
  const states: boolean[] = [];
  const onState = (up: boolean) => states.push(up);
  const matrix = followCountries({ database, log, onState });
  onTestFinished(() => matrix.close());
  await vi.waitFor(() => expect(states.at(-1)).toBe(true), LATER);
  return { matrix, states };
}

const activate = (code: string, active: boolean) => {
  const row = seededRows.find(({ country }) => country.code === code);
  if (row === undefined) throw new Error(`${code} is seeded`);
  const next = { ...row, country: { ...row.country, active }, version: 2 };
  return postgresCountries(tables.geo).change({ seenVersion: 1, next }, async () => {});
};

test("a change is in force in every instance within a second", async () => {
  const instances = await Promise.all([follow(), follow()]);
  for (const { matrix } of instances) expect(matrix.current.find("ML")?.active).toBe(false);
  await activate("ML", true);
  await vi.waitFor(() => {
    for (const { matrix } of instances) expect(matrix.current.find("ML")?.active).toBe(true);
  }, SOON);
});

test("so is one that was made by hand", async () => {
  const { matrix } = await follow();
  await tables.owner.query(
    "update molam_country_matrix set is_active = false where country_code = 'SN'",
  );
  await vi.waitFor(() => expect(matrix.current.find("SN")?.active).toBe(false), SOON);
  await tables.owner.query("delete from molam_country_matrix where country_code = 'SN'");
  await vi.waitFor(() => expect(matrix.current.find("SN")).toBeUndefined(), SOON);
});

test("a row made by hand that cannot be read is told of until it can; the matrix stays", async () => {
  const why: unknown[] = [];
  const log = { ...silentLogger, warn: (given: object) => void why.push(given) };
  const { matrix, states } = await follow(options(), log);
  await tables.owner.query("update molam_country_matrix set metadata = '{}'");
  await vi.waitFor(() => expect(why.length).toBeGreaterThan(1), LATER);
  expect(states).toEqual([true, false]);
  expect(matrix.current.find("SN")?.mcc).toEqual([608]);
  await reseed();
  await vi.waitFor(() => expect(states).toEqual([true, false, true]), LATER);
});

test("a change that is not made tells nobody", async () => {
  const { matrix } = await follow();
  const before = matrix.current;
  const refuse = async () => {
    throw new Error("no audit");
  };
  const [row] = seededRows;
  if (row === undefined) throw new Error("the seed has rows");
  const change = { seenVersion: 1, next: { ...row, version: 2 } };
  await expect(postgresCountries(tables.geo).change(change, refuse)).rejects.toThrow("no audit");
  // One that is made comes after it.
  await activate("BJ", true);
  await vi.waitFor(() => expect(matrix.current).not.toBe(before), SOON);
  expect(matrix.current.find(row.country.code)).toEqual(row.country);
});

test("with the database away the matrix stays; what was changed meanwhile comes with it", async () => {
  const through = await openSwitch();
  onTestFinished(() => through.close());
  const port = Number(new URL(tables.servers.postgres).port);
  through.moveTo(port);
  const { matrix, states } = await follow(options(through.port));
  await activate("ML", true);
  await vi.waitFor(() => expect(matrix.current.find("ML")?.active).toBe(true), SOON);
  through.moveTo(null);
  await vi.waitFor(() => expect(states.at(-1)).toBe(false), LATER);
  await activate("TG", true);
  expect(matrix.current.find("ML")?.active).toBe(true);
  expect(matrix.current.find("TG")?.active).toBe(false);
  through.moveTo(port);
  await vi.waitFor(() => expect(matrix.current.find("TG")?.active).toBe(true), LATER);
  expect(states).toEqual([true, false, true]);
});

test("GEO-05: the service may not take a country out, and nobody else writes one", async () => {
  await expect(tables.geo.query("delete from molam_country_matrix")).rejects.toThrow(
    /permission denied/,
  );
  const reader = tables.as("vigie_reader");
  await expect(reader.query("update molam_country_matrix set is_active = true")).rejects.toThrow(
    /permission denied/,
  );
});
