import { readFileSync } from "node:fs";
import { silentLogger } from "@vigie/core/log";
import { eventually } from "@vigie/testkit/eventually";
import { openSwitch } from "@vigie/testkit/tcp-switch";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { type GeoTables, geoTables } from "#test-tables";
import { countryStoreSuite } from "./country-store.suite.ts";
import { postgresCountries } from "./country-store.ts";
import { seededRows } from "./memory-countries.ts";
import { activate, followed } from "./testing.ts";

const migration = readFileSync(
  new URL("../../migrations/002_countries.sql", import.meta.url),
  "utf8",
);
const seeding = migration.slice(migration.indexOf("insert into molam_country_matrix"));
/** Half of what passes until an instance reads by itself: it was told. How soon is measured where nothing runs beside. */
const TOLD = { timeout: 5_000, interval: 5 };

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

test("a change is told to every instance", async () => {
  const instances = await Promise.all([followed(tables), followed(tables)]);
  for (const { matrix } of instances) expect(matrix.current.find("ML")?.active).toBe(false);
  await activate(tables, "ML", true);
  await vi.waitFor(() => {
    for (const { matrix } of instances) expect(matrix.current.find("ML")?.active).toBe(true);
  }, TOLD);
});

test("so is one that was made by hand", async () => {
  const { matrix } = await followed(tables);
  await tables.owner.query(
    "update molam_country_matrix set is_active = false where country_code = 'SN'",
  );
  await vi.waitFor(() => expect(matrix.current.find("SN")?.active).toBe(false), TOLD);
  await tables.owner.query("delete from molam_country_matrix where country_code = 'SN'");
  await vi.waitFor(() => expect(matrix.current.find("SN")).toBeUndefined(), TOLD);
});

test("a row made by hand that cannot be read is told of until it can; the matrix stays", async () => {
  const why: unknown[] = [];
  const log = { ...silentLogger, warn: (given: object) => void why.push(given) };
  const { matrix, states } = await followed(tables, { log });
  await tables.owner.query("update molam_country_matrix set metadata = '{}'");
  await eventually(() => expect(why.length).toBeGreaterThan(1));
  expect(states).toEqual([true, false]);
  expect(matrix.current.find("SN")?.mcc).toEqual([608]);
  await reseed();
  await eventually(() => expect(states).toEqual([true, false, true]));
});

test("a change that is not made tells nobody", async () => {
  const { matrix } = await followed(tables);
  const before = matrix.current;
  const refuse = async () => {
    throw new Error("no audit");
  };
  const [row] = seededRows;
  if (row === undefined) throw new Error("the seed has rows");
  const change = { seenVersion: 1, next: { ...row, version: 2 } };
  await expect(postgresCountries(tables.geo).change(change, refuse)).rejects.toThrow("no audit");
  // One that is made comes after it.
  await activate(tables, "BJ", true);
  await vi.waitFor(() => expect(matrix.current).not.toBe(before), TOLD);
  expect(matrix.current.find(row.country.code)).toEqual(row.country);
});

test("with the database away the matrix stays; what was changed meanwhile comes with it", async () => {
  const through = await openSwitch();
  onTestFinished(() => through.close());
  const port = Number(new URL(tables.servers.postgres).port);
  through.moveTo(port);
  const { matrix, states } = await followed(tables, { port: through.port });
  await activate(tables, "ML", true);
  await vi.waitFor(() => expect(matrix.current.find("ML")?.active).toBe(true), TOLD);
  through.moveTo(null);
  await eventually(() => expect(states.at(-1)).toBe(false));
  await activate(tables, "TG", true);
  expect(matrix.current.find("ML")?.active).toBe(true);
  expect(matrix.current.find("TG")?.active).toBe(false);
  through.moveTo(port);
  await eventually(() => expect(matrix.current.find("TG")?.active).toBe(true));
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
