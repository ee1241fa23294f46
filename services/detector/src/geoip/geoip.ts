import type { Place } from "#enrich/place";

/** What is known of an address. */
export interface Address {
  /** Null where the database has no coordinates. */
  readonly place: Place | null;
  /** Who announces it, or null. */
  readonly asnOrganisation: string | null;
  /** A VPN's, proxy's, relay's or data centre's: it tells nothing of where the user is. */
  readonly anonymous: boolean;
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
  readonly name: string;
  readonly anonymous: boolean;
}

export const unknownAddress: Address = { place: null, asnOrganisation: null, anonymous: false };

/**
 * Networks that carry other people's traffic, by the organisation's name. Source: DESIGN, detector ("VPN, hosting and
 * relay positions are no anchors"). Narrower than what ANO-10 tells of: "cloud" and "datacenter" stand in the names
 * of access networks too, whose users would never be found travelling.
 */
const anonymousWords = /vpn|proxy|hosting|relay/i;

export const isAnonymousOrganisation = (organisation: string): boolean =>
  anonymousWords.test(organisation);
