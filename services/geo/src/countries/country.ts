/** A mobile network. */
export interface Carrier {
  readonly name: string;
  /** Its mobile network codes under the country's MCC. */
  readonly mncs: readonly number[];
  /** Autonomous systems whose addresses are of its phones for the most part. */
  readonly asns: readonly number[];
}

/** One row of molam_country_matrix as people and services see it (GEO-05, GEO-06). */
export interface Country {
  /** ISO 3166-1 alpha-2. */
  readonly code: string;
  /** As its people write it. */
  readonly name: string;
  /** "+" and the country calling code. */
  readonly phonePrefix: string;
  /** A mobile number, written for people. */
  readonly phoneExample: string;
  /** A regular expression of its mobile numbers in E.164. */
  readonly phonePattern: string;
  /** ISO 4217. */
  readonly currency: string;
  /** As people write it. */
  readonly currencySymbol: string;
  /** IANA names; `timezone`, the one to assume, is among them. */
  readonly timezones: readonly string[];
  readonly timezone: string;
  /** language_COUNTRY; `locale`, the one to assume, is among them. */
  readonly locales: readonly string[];
  readonly locale: string;
  /** What people dial; null: no USSD there. */
  readonly ussdPrefix: string | null;
  /** Where a gateway of our own takes requests; null: a provider calls us. */
  readonly ussdGatewayUrl: string | null;
  readonly active: boolean;
  readonly supportsUssd: boolean;
  readonly supportsMobileMoney: boolean;
  readonly carriers: readonly Carrier[];
  /** Mobile country codes. */
  readonly mcc: readonly number[];
  readonly capital: string;
}

/** With what its row tells of changes. */
export interface StoredCountry {
  readonly country: Country;
  /** From 1, one more with every change. */
  readonly version: number;
  readonly updatedAtMs: number;
  /** Who wrote it. */
  readonly updatedBy: string;
}
