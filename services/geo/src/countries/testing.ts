import { type Logger, silentLogger } from "@vigie/core/log";
import { eventually } from "@vigie/testkit/eventually";
import { expect, onTestFinished } from "vitest";
import type { GeoTables } from "#test-tables";
import { postgresCountries } from "./country-store.ts";
import { type FollowedCountries, followCountries } from "./follow-countries.ts";
import { seededRows } from "./memory-countries.ts";

interface Followed {
  readonly matrix: FollowedCountries;
  /** As it told them: true, the matrix is in step with the database. */
  readonly states: boolean[];
}

/** An instance that follows the countries of these tables, in step with them; it ends with the test. */
export async function followed(
  tables: GeoTables,
  { port, log = silentLogger }: { readonly port?: number; readonly log?: Logger } = {},
): Promise<Followed> {
  const { postgres, schema } = tables.servers;
  const url = new URL(postgres);
  if (port !== undefined) url.port = String(port);
  const database = {
    url: url.href,
    schema,
    role: "vigie_geo",
    applicationName: "countries-test",
    statementTimeoutMs: 5_000,
  };
  const states: boolean[] = [];
  const matrix = followCountries({ database, log, onState: (up) => states.push(up) });
  onTestFinished(() => matrix.close());
  await eventually(() => expect(states.at(-1)).toBe(true));
  return { matrix, states };
}

/** Changes a seeded country, as an administrator's call does. */
export function activate(tables: GeoTables, code: string, active: boolean) {
  const row = seededRows.find(({ country }) => country.code === code);
  if (row === undefined) throw new Error(`${code} is seeded`);
  const next = { ...row, country: { ...row.country, active }, version: 2 };
  return postgresCountries(tables.geo).change({ seenVersion: 1, next }, async () => {});
}
