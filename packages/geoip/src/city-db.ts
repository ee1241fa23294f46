import { VigError } from "@vigie/core/errors";
import { Reader, type Response } from "maxmind";
import { words } from "./address.ts";
import { countryRadiusKm } from "./countries.ts";
import type { GeoFile } from "./geoip.ts";
import { type Place, placeAt } from "./place.ts";
import { TwoGenerations } from "./two-generations.ts";

/**
 * Looks up in one mmdb file. The tree is walked here, since `Reader.get` parses the address anew and decodes the
 * record; records are read through the Reader and what came of them is kept by their position in the file.
 */
export class MmdbFile<V> {
  private readonly bytes: Buffer;
  private readonly reader: Reader<Response>;
  private readonly convert: (record: object) => V;
  private readonly known = new TwoGenerations<number, V>(RECORDS_MAX);
  private readonly startOfV4: number;

  /** Throws: VIG_GEOIP_INVALID when the bytes are no mmdb. */
  constructor({ file, bytes }: GeoFile, convert: (record: object) => V) {
    this.bytes = bytes;
    this.convert = convert;
    try {
      this.reader = new Reader<Response>(bytes);
    } catch (cause) {
      throw new VigError("VIG_GEOIP_INVALID", { file, why: "it is no mmdb file" }, { cause });
    }
    const { nodeCount, nodeByteSize, recordSize, searchTreeSize, ipVersion } = this.reader.metadata;
    const separator = bytes.subarray(searchTreeSize, searchTreeSize + SEPARATOR_BYTES);
    const whole =
      nodeCount > 0 &&
      nodeByteSize === recordSize / 4 &&
      separator.length === SEPARATOR_BYTES &&
      separator.every((byte) => byte === 0);
    if (!whole) throw new VigError("VIG_GEOIP_INVALID", { file, why: "its metadata does not fit" });
    this.startOfV4 = ipVersion === 4 ? 0 : this.walk(() => 0, 96, 0);
  }

  /** What is known of the address in `words`, whose text is `ip`; null when nothing is. */
  find(family: 4 | 6, ip: string): V | null {
    const { nodeCount, ipVersion } = this.reader.metadata;
    if (family === 6 && ipVersion === 4) return null;
    const node = family === 4 ? this.walk(bitOfV4, 32, this.startOfV4) : this.walk(bitOfV6, 128, 0);
    if (node <= nodeCount) return null;
    const known = this.known.get(node);
    if (known !== undefined) return known;
    const value = this.read(family === 4 ? dotted(words[0] as number) : ip);
    if (value !== null) this.known.set(node, value);
    return value;
  }

  private read(ip: string): V | null {
    try {
      const record = this.reader.get(ip);
      return record === null ? null : this.convert(record);
    } catch {
      // One record that cannot be read is one address without a place.
      return null;
    }
  }

  /** What the file calls itself. */
  get type(): string {
    return this.reader.metadata.databaseType;
  }

  /** The node that `bits` steps from `start` lead to: above nodeCount it is a record's position. */
  private walk(bitAt: (depth: number) => number, bits: number, start: number): number {
    const { nodeCount, nodeByteSize } = this.reader.metadata;
    const { bytes } = this;
    let node = start;
    for (let depth = 0; depth < bits && node < nodeCount; depth++) {
      const at = node * nodeByteSize;
      const right = bitAt(depth);
      if (nodeByteSize === 7) {
        const middle = bytes[at + 3] as number;
        const from = right === 0 ? at : at + 4;
        const high = right === 0 ? middle >> 4 : middle & 15;
        node = high * 0x100_0000 + uint24(bytes, from);
      } else if (nodeByteSize === 6) node = uint24(bytes, at + right * 3);
      else node = bytes.readUInt32BE(at + right * 4);
    }
    return node;
  }
}

/** A v4 address may have come in the clothes of a v6 one, which a tree of v4 addresses does not know. */
const dotted = (word: number): string =>
  `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;

/** Zeros between the tree and the records. Source: MaxMind DB File Format Specification 2.0. */
const SEPARATOR_BYTES = 16;

/** Distinct records kept: a country has some thousands of cities. */
const RECORDS_MAX = 65_536;

const uint24 = (bytes: Buffer, at: number): number =>
  ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);

const bitOfV4 = (depth: number): number => ((words[0] as number) >>> (31 - depth)) & 1;
const bitOfV6 = (depth: number): number =>
  ((words[depth >> 5] as number) >>> (31 - (depth & 31))) & 1;

/** Our own lookup of an address with a city. Source: DESIGN, detector. */
export const CITY_RADIUS_KM = 150;

/** What a city record tells. */
export interface City {
  readonly place: Place;
  /** First subdivision of the country. */
  readonly region: string | null;
  /** IANA name; DB-IP's free data has none. */
  readonly timezone: string | null;
}

/** DB-IP's flat fields, or GeoLite2's nested ones, whose own radius wins. Returns: null without coordinates. */
export function cityOfRecord(record: object, generation: number): City | null {
  const fields = record as FlatCity & NestedCity;
  const place = placeOf(fields, generation);
  if (place === null) return null;
  const region = textOf(fields.state1) ?? textOf(fields.subdivisions?.[0]?.names?.en);
  return { place, region, timezone: textOf(fields.timezone) ?? textOf(fields.location?.time_zone) };
}

function placeOf(fields: FlatCity & NestedCity, generation: number): Place | null {
  const lat = fields.latitude ?? fields.location?.latitude;
  const lon = fields.longitude ?? fields.location?.longitude;
  const country = textOf(fields.country_code) ?? textOf(fields.country?.iso_code) ?? "";
  const { city: said } = fields;
  const city = textOf(typeof said === "string" ? said : said?.names?.en) ?? "";
  if (!isWithin(lat, 90) || !isWithin(lon, 180)) return null;
  const own = fields.location?.accuracy_radius;
  const isRadius = typeof own === "number" && own > 0;
  const radiusKm = isRadius ? own : city === "" ? countryRadiusKm(country) : CITY_RADIUS_KM;
  return placeAt({ lat, lon }, radiusKm, country, city, generation);
}

/** Null for "", and for what a damaged file has in place of a text. */
export const textOf = (value: unknown): string | null =>
  typeof value === "string" && value !== "" ? value : null;

const isWithin = (value: unknown, limit: number): value is number =>
  typeof value === "number" && Math.abs(value) <= limit;

interface FlatCity {
  readonly city?: string | { readonly names?: { readonly en?: string } };
  readonly country_code?: string;
  readonly state1?: string;
  readonly timezone?: string;
  readonly latitude?: number;
  readonly longitude?: number;
}

interface NestedCity {
  readonly country?: { readonly iso_code?: string };
  readonly subdivisions?: readonly { readonly names?: { readonly en?: string } }[];
  readonly location?: {
    readonly time_zone?: string;
    readonly latitude?: number;
    readonly longitude?: number;
    readonly accuracy_radius?: number;
  };
}
