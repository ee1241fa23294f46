import { hash64 } from "@vigie/core/bytes";
import { parseAddress, words } from "@vigie/geoip/address";
import type { Address } from "@vigie/geoip/geoip";
import type { UserAgent } from "./signals.ts";

/**
 * What is counted of a login, from the narrowest to the widest: of its address, and of its client.
 * Source: the features of Freeman et al., "Who Are You? A Statistical Approach to Measuring User Authenticity" (NDSS
 * 2016), as Wiefling et al., "Pump Up Password Security!" (ACM TOPS 2022), use them.
 */
export const traitNames = [
  "address",
  "asn",
  "country",
  "user_agent",
  "browser",
  "system",
  "device_type",
] as const;
export type TraitName = (typeof traitNames)[number];
export const TRAIT_COUNT = traitNames.length;

/**
 * A login's values as hashes of 31 bits, which V8 keeps without a box, in the order of `traitNames`. A trait that is
 * not known has a value, too.
 */
export type Traits = readonly number[];
export const TRAIT_BITS = 31;
/** Of somebody of whom nothing is known. */
export const unknownTraits: Traits = new Array<number>(TRAIT_COUNT).fill(0);

/** What traits are taken from. */
export interface TraitSources {
  readonly ip: string | null;
  readonly address: Pick<Address, "asn" | "country">;
  readonly userAgent: string | null;
  readonly client: UserAgent | null;
}

/** Of the narrower an address is only kept as its network: a phone's address changes, and it would name a household. */
const V4_BITS_DROPPED = 8;
const V6_BITS_DROPPED = 16;

export function traitsOf({ ip, address, userAgent, client }: TraitSources): Traits {
  const { asn, country } = address;
  const isKnown = client !== null && userAgent !== null;
  const { header, browser, system, type } = isKnown ? clientTraits(userAgent, client) : noClient;
  return [
    ip === null ? 0 : networkHash(ip),
    asn === null ? 0 : mixed(asn),
    country === null ? 0 : textHash(country),
    header,
    browser,
    system,
    type,
  ];
}

export const CLIENT_AT = traitNames.indexOf("user_agent");

interface ClientTraits {
  readonly header: number;
  readonly browser: number;
  readonly system: number;
  readonly type: number;
}
const noClient: ClientTraits = { header: 0, browser: 0, system: 0, type: 0 };
const known = new WeakMap<UserAgent, ClientTraits>();

/** A header is parsed once while it is in use, and so are its hashes made. */
function clientTraits(userAgent: string, client: UserAgent): ClientTraits {
  let traits = known.get(client);
  if (traits === undefined) {
    const { browser, browserVersion, os, osVersion, platform } = client;
    traits = {
      header: textHash(userAgent),
      browser: textHash(`${browser} ${browserVersion}`),
      system: textHash(`${os} ${osVersion}`),
      type: textHash(platform),
    };
    known.set(client, traits);
  }
  return traits;
}

const textHash = (text: string): number => hash64(text)[1] >>> (32 - TRAIT_BITS);

/**
 * The network of an address: /24 or /48, as addresses are kept everywhere (DESIGN, Keys and addresses). What is no
 * address counts as one that is not known.
 */
export function networkHash(ip: string): number {
  const family = parseAddress(ip);
  if (family === 0) return 0;
  const high = words[0] as number;
  if (family === 4) return mixed(high >>> V4_BITS_DROPPED);
  return mixed(high ^ mixed((words[1] as number) >>> V6_BITS_DROPPED));
}

/** Source: the finaliser of MurmurHash3 (Austin Appleby, public domain): every bit moves every other. */
function mixed(value: number): number {
  let hash = value + 1;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> (32 - TRAIT_BITS);
}
