import { countriesOfMcc } from "@vigie/core/mcc";
import { type Address, type GeoIp, unknownAddress } from "@vigie/geoip/geoip";
import type { Countries } from "../countries/countries.ts";
import type { Country } from "../countries/country.ts";
import { countriesOfPhone } from "./phone.ts";
import { type Candidates, decide, type Method, type Mismatch } from "./verdict.ts";

/** What a caller knows of somebody. */
export interface Signs {
  readonly phone?: string | undefined;
  readonly ip?: string | undefined;
  readonly mcc?: number | undefined;
  readonly mnc?: number | undefined;
}

export interface Detection {
  /** ISO 3166-1 alpha-2; null: nothing given says one. */
  readonly country: string | null;
  readonly detectionMethod: Method | null;
  /** Whether the platform serves it. */
  readonly active: boolean;
  /** Null: it is not in the matrix. */
  readonly countryData: Country | null;
  readonly geoData: GeoData;
  readonly candidates: Candidates;
  readonly mismatch: readonly Mismatch[];
}

export interface GeoData {
  /** Of the address, while it lies in the country found. */
  readonly city: string | null;
  readonly region: string | null;
  /** Of the address likewise, else the one to assume in that country. */
  readonly timezone: string | null;
  /** ANO-10: of the address. */
  readonly isVpn: boolean;
  /** There is a SIM, or the address is of a carrier's phones. */
  readonly isMobile: boolean;
  /** By the SIM's network; null: not in the matrix. */
  readonly carrier: string | null;
}

/** GEO-13, GEO-14. Never throws: what cannot be understood says nothing. */
export function detect(
  signs: Signs,
  { countries, geoip }: { readonly countries: Countries; readonly geoip: GeoIp },
): Detection {
  const { phone, ip, mcc, mnc } = signs;
  const address = ip === undefined ? unknownAddress : geoip.lookup(ip);
  const candidates: Candidates = {
    phone: phone === undefined ? null : countriesOfPhone(phone),
    sim: mcc === undefined ? null : countriesOfMcc(mcc),
    ip: ip === undefined ? null : listOf(address.country),
  };
  const { country, method, mismatch } = decide(candidates);
  const countryData = (country !== null && countries.find(country)) || null;
  return {
    country,
    detectionMethod: method,
    active: countryData?.active ?? false,
    countryData,
    geoData: {
      ...placeIn(country, countryData, address),
      isVpn: address.isVpn,
      isMobile: (candidates.sim ?? []).length > 0 || isOfPhones(address, countries),
      carrier: carrierOf(countries, mcc, mnc),
    },
    candidates,
    mismatch,
  };
}

const listOf = (country: string | null): readonly string[] => (country === null ? [] : [country]);

/** The address tells where in the country only if it is there. */
function placeIn(
  country: string | null,
  data: Country | null,
  { country: own, place, region, timezone }: Address,
): Pick<GeoData, "city" | "region" | "timezone"> {
  const assumed = data?.timezone ?? null;
  if (country === null || own !== country) return { city: null, region: null, timezone: assumed };
  return { city: place?.city || null, region, timezone: timezone ?? assumed };
}

const isOfPhones = ({ country, asn }: Address, countries: Countries): boolean =>
  country !== null && asn !== null && countries.isMobile(country, asn);

function carrierOf(countries: Countries, mcc?: number, mnc?: number): string | null {
  if (mcc === undefined || mnc === undefined) return null;
  return countries.carrierOf(mcc, mnc);
}
