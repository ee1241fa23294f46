import { isServerSystem, isVpnSystem } from "./hosting.ts";
import type { Place } from "./place.ts";

/** What is known of an address. */
export interface Address {
  /** Null where the database has no coordinates. */
  readonly place: Place | null;
  /** ISO 3166-1 alpha-2, or null. */
  readonly country: string | null;
  /** First subdivision of the country, and IANA time zone, as far as the data has them. */
  readonly region: string | null;
  readonly timezone: string | null;
  /** The autonomous system that announces it, and whose that is; null: unknown. */
  readonly asn: number | null;
  readonly organisation: string | null;
  /** A VPN's, proxy's, relay's or hosting company's: it stands for nobody. */
  readonly anonymous: boolean;
  /** ANO-10: a word of its organisation's name says so, or a list; more are named so than are anonymous. */
  readonly isVpn: boolean;
  /** Whether its place says where the user is: not that of an anonymous address or of a satellite's ground station. */
  readonly isAnchor: boolean;
}

/** A database in memory. */
export interface GeoFile {
  readonly file: string;
  readonly bytes: Buffer;
}

/** Looks addresses up. Never throws: a private address or garbage has no place. */
export interface GeoIp {
  lookup(ip: string): Address;
}

/** Who announces an address. */
export interface Organisation {
  readonly asn: number | null;
  readonly name: string;
  readonly anonymous: boolean;
  readonly isVpn: boolean;
  readonly isAnchor: boolean;
}

export const unknownAddress: Address = {
  place: null,
  country: null,
  region: null,
  timezone: null,
  asn: null,
  organisation: null,
  anonymous: false,
  isVpn: false,
  isAnchor: true,
};

/**
 * Networks that carry other people's traffic, by the organisation's name. Source: DESIGN, detector ("VPN, hosting and
 * relay positions are no anchors"). Narrower than what ANO-10 tells of: "cloud" and "datacenter" stand in the names
 * of access networks too, whose users would never be found travelling.
 */
const anonymousWords = /vpn|proxy|hosting|relay/i;
/** Source: ANO-10, with the word that makes an address anonymous besides. */
const vpnWords = /vpn|proxy|hosting|data ?center|cloud|relay/i;

export const isNamedVpn = (organisation: string): boolean => vpnWords.test(organisation);

/**
 * Satellite access comes out at a ground station, often in another country. Source: the operators' names in the npm
 * package @ip-location-db/asn. Not those who sell to other networks (Intelsat, SES): these are placed where they are.
 */
const satelliteWords =
  /satellite|starlink|spacex|viasat|hughes (network|de |telecom)|inmarsat|oneweb|kacific/i;

export function organisationOf(asn: number | null, name: string): Organisation {
  const anonymous = isVpnSystem(asn) || anonymousWords.test(name);
  const isVpn = anonymous || isServerSystem(asn) || isNamedVpn(name);
  return { asn, name, anonymous, isVpn, isAnchor: !anonymous && !satelliteWords.test(name) };
}
