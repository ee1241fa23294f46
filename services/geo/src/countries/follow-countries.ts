import type { Logger } from "@vigie/core/log";
import type { DatabaseOptions } from "@vigie/service-kit/postgres/connection";
import { followNotices } from "@vigie/service-kit/postgres/notices";
import { type CountryMatrix, matrixOf, seededCountries } from "./countries.ts";
import { COUNTRIES_CHANNEL, readCountries } from "./country-store.ts";

export interface FollowCountriesOptions {
  readonly database: DatabaseOptions;
  readonly log: Logger;
  readonly onState: (up: boolean, why?: string) => void;
}

export interface FollowedCountries extends CountryMatrix {
  close(): Promise<void>;
}

/** Every change is told at once; this is for a notice that was lost. */
const READ_EVERY_MS = 10_000;

/** The matrix as the database has it, as last read while that is away, as seeded until it was read first. */
export function followCountries({
  database,
  log,
  onState,
}: FollowCountriesOptions): FollowedCountries {
  let current = seededCountries;
  let known = "";
  const notices = followNotices({
    database,
    channel: COUNTRIES_CHANNEL,
    everyMs: READ_EVERY_MS,
    log,
    onState,
    async read(from) {
      const rows = await readCountries(from);
      // By what they say: one changed by hand may keep its version.
      const found = JSON.stringify(rows);
      if (found === known) return;
      current = matrixOf(rows);
      known = found;
      log.info({ countries: rows.length, active: current.active.length }, "countries_read");
    },
  });
  return {
    get current() {
      return current;
    },
    close: () => notices.stop(),
  };
}
