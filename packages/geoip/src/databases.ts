import { VigError } from "@vigie/core/errors";
import { isPublic, parseAddress } from "./address.ts";
import { AddressCache } from "./address-cache.ts";
import { AsnRanges, type AsnTable } from "./asn-ranges.ts";
import { type City, cityOfRecord, MmdbFile, textOf } from "./city-db.ts";
import {
  type Address,
  type GeoFile,
  type GeoIp,
  type Organisation,
  organisationOf,
  unknownAddress,
} from "./geoip.ts";

/** The databases, read: city mmdb, and ASN as mmdb or as the table of a CSV; a v4 and a v6 file may stand beside. */
export interface GeoFiles {
  readonly city: readonly GeoFile[];
  readonly asn: readonly GeoFile[] | AsnTable;
  /** 1..65535: which data this is; places that are looked up in it carry this. */
  readonly generation: number;
}

/** Looks addresses up in the files' bytes. */
export class GeoIpDatabases implements GeoIp {
  private readonly addresses = new AddressCache();
  private city: readonly MmdbFile<City | null>[];
  private asn: OrganisationSource;

  /** Throws: VIG_GEOIP_INVALID. */
  constructor(files: GeoFiles) {
    this.city = openCity(files);
    this.asn = openAsn(files.asn);
  }

  /** Takes other files from now on. Throws: VIG_GEOIP_INVALID; then the old ones stay. */
  replace(files: GeoFiles): void {
    const city = openCity(files);
    const asn = openAsn(files.asn);
    this.city = city;
    this.asn = asn;
    this.addresses.clear();
  }

  lookup(ip: string): Address {
    const family = parseAddress(ip);
    if (family === 0 || !isPublic(family)) return unknownAddress;
    const known = this.addresses.get(family);
    if (known !== undefined) return known;
    const answer = this.find(family, ip);
    this.addresses.set(family, answer);
    return answer;
  }

  private find(family: 4 | 6, ip: string): Address {
    const organisation = this.asn(family, ip);
    let city: City | null = null;
    for (const file of this.city) city ??= file.find(family, ip);
    if (organisation === null && city === null) return unknownAddress;
    return {
      place: city?.place ?? null,
      country: city?.place.country || null,
      region: city?.region ?? null,
      timezone: city?.timezone ?? null,
      asn: organisation?.asn ?? null,
      organisation: organisation?.name ?? null,
      anonymous: organisation?.anonymous ?? false,
      isVpn: organisation?.isVpn ?? false,
      isAnchor: organisation?.isAnchor ?? true,
    };
  }
}

type OrganisationSource = (family: 4 | 6, ip: string) => Organisation | null;

/** What a file calls itself, if that tells what it is of. */
const isOfPlaces = (type: string): boolean => /city|country|location|enterprise/i.test(type);
const isOfNetworks = (type: string): boolean => !isOfPlaces(type) && /asn|isp/i.test(type);

/** Throws: VIG_GEOIP_INVALID for one that is of something else: it would answer nothing. */
function openMmdb<V>(
  file: GeoFile,
  convert: (record: object) => V,
  isOther: (type: string) => boolean,
): MmdbFile<V> {
  const mmdb = new MmdbFile(file, convert);
  if (!isOther(mmdb.type)) return mmdb;
  const why = `it calls itself ${mmdb.type}`;
  throw new VigError("VIG_GEOIP_INVALID", { file: file.file, why });
}

const openCity = ({ city, generation }: GeoFiles): readonly MmdbFile<City | null>[] =>
  city.map((file) => openMmdb(file, (record) => cityOfRecord(record, generation), isOfNetworks));

function openAsn(asn: GeoFiles["asn"]): OrganisationSource {
  if ("names" in asn) {
    const ranges = new AsnRanges(asn);
    return (family) => ranges.find(family);
  }
  const mmdb = asn.map((file) => openMmdb(file, organisationOfRecord, isOfPlaces));
  return (family, ip) => {
    for (const file of mmdb) {
      const organisation = file.find(family, ip);
      if (organisation !== null) return organisation;
    }
    return null;
  };
}

/** Source: the fields of GeoLite2-ASN, which DB-IP's ASN database shares. */
function organisationOfRecord(record: object): Organisation | null {
  const { autonomous_system_number: asn, autonomous_system_organization: name } = record as {
    readonly autonomous_system_number?: unknown;
    readonly autonomous_system_organization?: unknown;
  };
  const known = textOf(name);
  return known === null ? null : organisationOf(typeof asn === "number" ? asn : null, known);
}
