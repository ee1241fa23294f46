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

/** Source: REQUIREMENTS ANO-10; "relay" from DESIGN, detector. */
const anonymousWords = /vpn|proxy|hosting|data ?cent(er|re)|cloud|relay/i;

export const isAnonymousOrganisation = (organisation: string): boolean =>
  anonymousWords.test(organisation);
