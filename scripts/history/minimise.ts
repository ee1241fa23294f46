import { type GridCell, gridCellCentre, gridCellOf } from "@vigie/core/geo";
import { geohashLengths } from "@vigie/core/geohash";
import { coarseCell } from "@vigie/detector/enrich/coarse-place";
import type { Enrichment, RawEvent } from "@vigie/detector/enrich/event";
import { familyOf, type UserAgent } from "@vigie/detector/enrich/signals";
import { PRECISION_MAX, type Precision } from "@vigie/detector/state/precision";
import { type Address, unknownAddress } from "@vigie/geoip/geoip";
import { Place } from "@vigie/geoip/place";
import { TextMap } from "@vigie/schemas/codec-core";
import type { Location } from "@vigie/schemas/types";
import type { Pseudonyms } from "./pseudonyms.ts";

/** An event as it is kept: what rules may ask of it, and nothing that names a person, a device or an address. */
export interface HistoryEvent {
  readonly topic: string;
  /** Append time. */
  readonly timestampMs: number;
  /** With pseudonyms, also for address and user agent. */
  readonly value: RawEvent;
  /** What was known of its address, and of its user agent. */
  readonly address: Address;
  readonly userAgent: UserAgent | null;
  /** What its person consented to then; absent: as everybody. */
  readonly precision?: Precision | undefined;
}

export interface Source {
  readonly topic: string;
  readonly timestampMs: number;
  readonly value: RawEvent;
  /** What its person consented to then. */
  readonly precision: Precision;
}

/** Source: REQUIREMENTS GEO-19, the default precision; the detector keeps positions no finer. */
const GEOHASH_LENGTH_MAX = 5;

/** Every field that is kept is named here: a new one is left out until somebody says how it may be kept. */
export function minimise(
  { topic, timestampMs, value, precision }: Source,
  pseudonyms: Pseudonyms,
  { geoip, userAgentOf }: Enrichment,
): HistoryEvent {
  const { network, device, session_id, roles, kind, sim, geohash } = value;
  const ip = network?.ip;
  const header = network?.user_agent;
  return {
    topic,
    timestampMs,
    value: {
      event_id: pseudonyms.uuid("event", value.event_id),
      tenant_id: value.tenant_id,
      user_id: pseudonyms.uuid("user", value.user_id),
      occurred_at: value.occurred_at,
      session_id: session_id && pseudonyms.uuid("session", session_id),
      channel: value.channel,
      network: network && {
        ip: ip ? pseudonyms.address(ip) : null,
        user_agent: header ? pseudonyms.uuid("agent", header) : null,
      },
      location: value.location && coarse(value.location, precision),
      ...(kind !== undefined && { kind }),
      ...(roles !== undefined && { roles }),
      ...(device !== undefined && { device: device && deviceOf(device, pseudonyms) }),
      ...(sim !== undefined && { sim: sim && { mcc: sim.mcc } }),
      ...(geohash !== undefined && { geohash: geohash && coarseHash(geohash, precision) }),
    },
    address: ip ? coarseAddress(askedFor(geoip.lookup(ip)), precision) : unknownAddress,
    userAgent: header ? userAgentOf(header) : null,
    ...(precision !== PRECISION_MAX && { precision }),
  };
}

/**
 * The centre of the cell: the cell that a position lies in is all that the rules ever see. Its radius stays what it was
 * before, so that a detector which knows the consent makes of it what it makes of the place itself.
 */
function coarse(location: Location, precision: Precision): Location {
  const { source, lat, lon, accuracy_m, country, city } = location;
  const known = { source, accuracy_m, country, city: precision < CITY ? null : city };
  if (lat === null || lon === null) return { ...known, lat: null, lon: null };
  return { ...known, ...gridCellCentre(keptCell(gridCellOf({ lat, lon }), precision)) };
}

const known = new WeakMap<Address, Address>();

/** Without region and time zone: no rule asks for them, and they tell more than some people let be kept. */
function askedFor(address: Address): Address {
  let kept = known.get(address);
  if (kept === undefined) {
    kept = { ...address, region: null, timezone: null };
    known.set(address, kept);
  }
  return kept;
}

function coarseAddress(address: Address, precision: Precision): Address {
  const { place } = address;
  if (place === null || precision === PRECISION_MAX) return address;
  const { cell, radiusKm, country, city, generation } = place;
  const named = precision < CITY ? "" : city;
  const kept = new Place(keptCell(cell, precision), radiusKm, country, named, generation);
  return { ...address, place: kept };
}

const CITY = geohashLengths.city;
const keptCell = (cell: GridCell, precision: Precision): GridCell =>
  precision === PRECISION_MAX ? cell : coarseCell(cell, precision);

/** Only its length counts, which says how coarse the user wanted it. */
const coarseHash = (geohash: string, precision: Precision): string =>
  geohash.slice(0, Math.min(GEOHASH_LENGTH_MAX, precision)).padEnd(geohash.length, "0");

type RawDevice = NonNullable<RawEvent["device"]>;

function deviceOf({ device_id, fingerprint }: RawDevice, pseudonyms: Pseudonyms): RawDevice {
  return {
    device_id: device_id && pseudonyms.uuid("device", device_id),
    fingerprint: fingerprint && {
      similarity: fingerprint.similarity,
      signals: fingerprint.signals && signalsOf(fingerprint.signals, pseudonyms),
    },
  };
}

/** Signals of so many fingerprints are kept: an unchanged device sends the same bytes each time. */
const SIGNALS_KEPT_MAX = 20_000;
const signalsKept = new WeakMap<Pseudonyms, Map<string, TextMap>>();

function signalsOf(map: TextMap, pseudonyms: Pseudonyms): TextMap {
  let known = signalsKept.get(pseudonyms);
  if (known === undefined) {
    known = new Map();
    signalsKept.set(pseudonyms, known);
  }
  const bytes = map.bytes.toString("latin1", map.from, map.to);
  let signals = known.get(bytes);
  if (signals === undefined) {
    if (known.size >= SIGNALS_KEPT_MAX) known.clear();
    signals = pseudonymous(map.toObject(), pseudonyms);
    known.set(bytes, signals);
  }
  return signals;
}

function pseudonymous(given: Readonly<Record<string, string>>, pseudonyms: Pseudonyms): TextMap {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    kept[knownNames.has(name) ? name : nameless(name, pseudonyms)] = signal(
      name,
      value,
      pseudonyms,
    );
  }
  return TextMap.of(kept);
}

/**
 * What a rule compares by its family keeps it; a version keeps its numbers; of the rest only equality is left. All short:
 * of a fingerprint that takes more room than it did the detector would keep less than it did.
 */
function signal(name: string, value: string, pseudonyms: Pseudonyms): string {
  if (byFamily.has(name)) {
    return `${familyOf(value)} ${pseudonyms.digits("signal", `${name}|${value}`)}`;
  }
  if (name.endsWith(VERSION)) {
    const numbers = value.match(/\d+/g);
    // Without numbers versions have no order, and must not get one.
    return numbers?.join(".") ?? pseudonyms.short("signal", `${name}|${value}`).replace(/\d/g, "_");
  }
  const same = name === "device_model" ? value.trim().toLowerCase() : value;
  return pseudonyms.short("signal", `${name}|${same}`);
}

const VERSION = "_version";
const byFamily: ReadonlySet<string> = new Set(["os", "platform", "browser"]);
/** Source: the contract's word on signals. */
const knownNames: ReadonlySet<string> = new Set([
  "os",
  "os_version",
  "browser",
  "browser_version",
  "device_model",
  "screen",
  "timezone",
  "languages",
  "gpu_vendor",
  "gpu_renderer",
  "app_version",
  "platform",
]);

/** A producer's own name for a signal may tell anything; that it is a version has to stay. */
const nameless = (name: string, pseudonyms: Pseudonyms): string =>
  `x${pseudonyms.short("signal", name)}${name.endsWith(VERSION) ? VERSION : ""}`;
