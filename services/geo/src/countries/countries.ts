import type { Country, StoredCountry } from "./country.ts";
import { seed } from "./matrix.ts";

/** The matrix at one moment, ready to be asked. Never changes; a change makes another one. */
export class Countries {
  /** By code, those that are inactive too. */
  readonly all: readonly Country[];
  readonly active: readonly Country[];
  private readonly byCode: ReadonlyMap<string, Country>;
  private readonly mobileSystems: ReadonlySet<string>;
  /** The name of each network, by its two codes. */
  private readonly networks: ReadonlyMap<string, string>;

  constructor(countries: readonly Country[]) {
    this.all = [...countries].sort((a, b) => (a.code < b.code ? -1 : 1));
    this.active = this.all.filter(({ active }) => active);
    this.byCode = new Map(this.all.map((country) => [country.code, country]));
    this.mobileSystems = new Set(
      this.all.flatMap(({ code, carriers }) =>
        carriers.flatMap(({ asns }) => asns.map((asn) => pairOf(code, asn))),
      ),
    );
    this.networks = new Map(
      this.all.flatMap(({ mcc, carriers }) =>
        carriers.flatMap(({ name, mncs }) =>
          mcc.flatMap((mcc) => mncs.map((mnc) => [pairOf(mcc, mnc), name] as const)),
        ),
      ),
    );
  }

  /** Undefined for one that is not in the matrix. */
  find(code: string): Country | undefined {
    return this.byCode.get(code);
  }

  /** Whether an address of this country that this autonomous system announces is a phone's. */
  isMobile(code: string, asn: number): boolean {
    return this.mobileSystems.has(pairOf(code, asn));
  }

  /** The name of a SIM's network; null when it is not in the matrix. */
  carrierOf(mcc: number, mnc: number): string | null {
    return this.networks.get(pairOf(mcc, mnc)) ?? null;
  }
}

const pairOf = (a: string | number, b: number): string => `${a}|${b}`;

/** Whoever needs a country asks here, at each use: what is in force may be another matrix by then. */
export interface CountryMatrix {
  readonly current: Countries;
}

/** In force until the database was read first. */
export const seededCountries = new Countries(seed);

export const matrixOf = (stored: readonly StoredCountry[]): Countries =>
  new Countries(stored.map(({ country }) => country));
