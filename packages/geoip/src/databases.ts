import { isPublic, parseAddress } from "./address.ts";
import { AddressCache } from "./address-cache.ts";
import { AsnRanges, type AsnTable } from "./asn-ranges.ts";
import { type City, cityOfRecord, MmdbFile } from "./city-db.ts";
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

const openCity = ({ city, generation }: GeoFiles): readonly MmdbFile<City | null>[] =>
  city.map((file) => new MmdbFile(file, (record) => cityOfRecord(record, generation)));

function openAsn(asn: GeoFiles["asn"]): OrganisationSource {
  if ("names" in asn) {
    const ranges = new AsnRanges(asn);
    return (family) => ranges.find(family);
  }
  const mmdb = asn.map((file) => new MmdbFile(file, organisationOfRecord));
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
    readonly autonomous_system_number?: number;
    readonly autonomous_system_organization?: string;
  };
  return name ? organisationOf(asn ?? null, name) : null;
}
