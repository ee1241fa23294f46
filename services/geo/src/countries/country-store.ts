import { assert } from "@vigie/core/assert";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import type { Carrier, StoredCountry } from "./country.ts";

export interface CountryChange {
  /** What the writer has seen; 0: it is not in the matrix yet. */
  readonly seenVersion: number;
  readonly next: StoredCountry;
}

export type ChangeOutcome =
  | { readonly kind: "changed" }
  /** Somebody else was first. */
  | { readonly kind: "stale"; readonly version: number };

/** Where the matrix is kept. */
export interface CountryStore {
  /** All, by code. Throws: VIG_DATABASE_AWAY. */
  readAll(): Promise<readonly StoredCountry[]>;
  /** Null when it is not in the matrix. Throws: VIG_DATABASE_AWAY. */
  read(code: string): Promise<StoredCountry | null>;
  /**
   * Writes the country if it is still the one that was seen. `beforeCommit` is told what was there before; when it
   * throws nothing is changed. Every instance learns of the commit.
   * Throws: VIG_DATABASE_AWAY; then it may have been changed all the same.
   */
  change(
    change: CountryChange,
    beforeCommit: (before: StoredCountry | null) => Promise<void>,
  ): Promise<ChangeOutcome>;
}

/** The channel that tells of every change, also of one made by hand; as an expression of SQL. */
export const COUNTRIES_CHANNEL = "'vigie_countries_' || md5(current_schema())";

const COLUMNS = `country_code, country_name, phone_prefix, phone_example, phone_regex, currency_code,
  currency_symbol, timezones, default_timezone, supported_locales, default_locale, ussd_prefix,
  ussd_gateway_url, is_active, supports_ussd, supports_mobile_money, metadata, version, updated_at,
  updated_by`;
const READ_ALL = `select ${COLUMNS} from molam_country_matrix order by country_code`;
const READ = `select ${COLUMNS} from molam_country_matrix where country_code = $1`;
const INSERT = `
  insert into molam_country_matrix (${COLUMNS})
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
  on conflict do nothing`;
const UPDATE = `
  update molam_country_matrix set (${COLUMNS}) =
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
   where country_code = $1 and version = $21`;

interface Row {
  readonly country_code: string;
  readonly country_name: string;
  readonly phone_prefix: string;
  readonly phone_example: string;
  readonly phone_regex: string;
  readonly currency_code: string;
  readonly currency_symbol: string;
  readonly timezones: readonly string[];
  readonly default_timezone: string;
  readonly supported_locales: readonly string[];
  readonly default_locale: string;
  readonly ussd_prefix: string | null;
  readonly ussd_gateway_url: string | null;
  readonly is_active: boolean;
  readonly supports_ussd: boolean;
  readonly supports_mobile_money: boolean;
  readonly metadata: {
    readonly carriers: readonly Carrier[];
    readonly mcc: readonly number[];
    readonly capital: string;
  };
  readonly version: number;
  readonly updated_at: Date;
  readonly updated_by: string;
}

export function postgresCountries(database: Database): CountryStore {
  return {
    readAll: () => readCountries(database),
    async read(code) {
      const { rows } = await database.query<Row>(READ, [code]);
      return rows[0] === undefined ? null : storedOf(rows[0]);
    },
    change: (change, beforeCommit) =>
      database.transaction(async (tx) => {
        const { country } = change.next;
        const { rows } = await tx.query<Row>(`${READ} for update`, [country.code]);
        const before = rows[0] === undefined ? null : storedOf(rows[0]);
        const version = before?.version ?? 0;
        if (version !== change.seenVersion) return { kind: "stale", version };
        if (!(await put(tx, change))) return { kind: "stale", version: change.next.version };
        await beforeCommit(before);
        return { kind: "changed" };
      }),
  };
}

export async function readCountries(from: Queryable): Promise<readonly StoredCountry[]> {
  const { rows } = await from.query<Row>(READ_ALL);
  return rows.map(storedOf);
}

/** False: another writer of a new country was faster. */
async function put(tx: Queryable, { next, seenVersion }: CountryChange): Promise<boolean> {
  assert(next.version === seenVersion + 1, "versions grow by one");
  const values = valuesOf(next);
  const { count } =
    seenVersion === 0
      ? await tx.query(INSERT, values)
      : await tx.query(UPDATE, [...values, seenVersion]);
  return count === 1;
}

/** In the order of COLUMNS. */
function valuesOf({ country, version, updatedAtMs, updatedBy }: StoredCountry): unknown[] {
  const { carriers, mcc, capital } = country;
  return [
    country.code,
    country.name,
    country.phonePrefix,
    country.phoneExample,
    country.phonePattern,
    country.currency,
    country.currencySymbol,
    country.timezones,
    country.timezone,
    country.locales,
    country.locale,
    country.ussdPrefix,
    country.ussdGatewayUrl,
    country.active,
    country.supportsUssd,
    country.supportsMobileMoney,
    JSON.stringify({ carriers, mcc, capital }),
    version,
    new Date(updatedAtMs),
    updatedBy,
  ];
}

function storedOf(row: Row): StoredCountry {
  const { carriers, mcc, capital } = row.metadata;
  return {
    country: {
      code: row.country_code,
      name: row.country_name,
      phonePrefix: row.phone_prefix,
      phoneExample: row.phone_example,
      phonePattern: row.phone_regex,
      currency: row.currency_code,
      currencySymbol: row.currency_symbol,
      timezones: row.timezones,
      timezone: row.default_timezone,
      locales: row.supported_locales,
      locale: row.default_locale,
      ussdPrefix: row.ussd_prefix,
      ussdGatewayUrl: row.ussd_gateway_url,
      active: row.is_active,
      supportsUssd: row.supports_ussd,
      supportsMobileMoney: row.supports_mobile_money,
      carriers,
      mcc,
      capital,
    },
    version: row.version,
    updatedAtMs: row.updated_at.getTime(),
    updatedBy: row.updated_by,
  };
}
