import { eventually } from "@vigie/testkit/eventually";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GeoTables, geoTables } from "#test-tables";
import { activate, followed } from "./testing.ts";

/** Source: the promise to administrators, in force everywhere within a second. */
const IN_FORCE_MAX_MS = 1_000;

let tables: GeoTables;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());

test("a change of a country is in force in every instance within a second", async () => {
  const instances = await Promise.all([followed(tables), followed(tables)]);
  for (const { matrix } of instances) expect(matrix.current.find("ML")?.active).toBe(false);
  await activate(tables, "ML", true);
  const answeredMs = performance.now();
  await eventually(() => {
    for (const { matrix } of instances) expect(matrix.current.find("ML")?.active).toBe(true);
  });
  expect(performance.now() - answeredMs).toBeLessThan(IN_FORCE_MAX_MS);
});
