import type { RawEvent } from "@vigie/detector/enrich/event";
import type { UserAgent } from "@vigie/detector/enrich/signals";
import type { Address } from "@vigie/geoip/geoip";
import { Place } from "@vigie/geoip/place";
import { TextMap } from "@vigie/schemas/codec-core";
import type { HistoryEvent } from "./minimise.ts";

/** An event's parts as texts, which are equal when the parts are, and back. */

type Fields = Readonly<Record<string, unknown>>;

/** A part of an event that mostly stays as it was. */
export interface Part {
  /** ids are pseudonyms, each of 16 bytes; values are texts that many users share. */
  readonly of: "id" | "value";
  /** As a text; "" for nothing. */
  text(event: HistoryEvent): string;
  parse(text: string): unknown;
}

const json = (value: unknown): string => (value === undefined ? "" : JSON.stringify(value));
const fromJson = (text: string): unknown => (text === "" ? undefined : JSON.parse(text));
const idOrNull = (text: string): string | null => (text === "" ? null : text);

const field = (name: keyof RawEvent): Part => ({
  of: "value",
  text: ({ value }) => json(value[name]),
  parse: fromJson,
});

/** Their places are bits of stored masks: append only. */
export const parts = {
  session: { of: "id", text: ({ value }) => value.session_id ?? "", parse: idOrNull },
  deviceId: { of: "id", text: ({ value }) => value.device?.device_id ?? "", parse: idOrNull },
  address: { of: "value", text: addressText, parse: readAddress },
  agent: { of: "value", text: agentText, parse: readAgent },
  fingerprint: { of: "value", text: fingerprintText, parse: readFingerprint },
  channel: field("channel"),
  roles: field("roles"),
  location: field("location"),
  geohash: field("geohash"),
  sim: field("sim"),
  precision: { of: "value", text: ({ precision }) => json(precision), parse: fromJson },
} as const satisfies Readonly<Record<string, Part>>;

export type PartName = keyof typeof parts;
export const names = Object.keys(parts) as readonly PartName[];
export const slotOf = Object.fromEntries(names.map((name, slot) => [name, slot])) as Readonly<
  Record<PartName, number>
>;
export const list: readonly Part[] = names.map((name) => parts[name]);

function addressText({ value, address }: HistoryEvent): string {
  const token = value.network?.ip;
  if (!token) return "";
  return `["${token}",${madeOnce(addressTexts, address, lookedUpText)}]`;
}

function lookedUpText({ place, ...rest }: Address): string {
  const where = place && [place.cell, place.radiusKm, place.country, place.city, place.generation];
  return `${JSON.stringify(rest)},${JSON.stringify(where)}`;
}

/** What was looked up comes as one object again and again; its text is made once. */
function madeOnce<O extends object>(
  texts: WeakMap<O, string>,
  of: O,
  make: (of: O) => string,
): string {
  let text = texts.get(of);
  if (text === undefined) {
    text = make(of);
    texts.set(of, text);
  }
  return text;
}

const addressTexts = new WeakMap<Address, string>();
const agentTexts = new WeakMap<UserAgent, string>();
const signalsTexts = new WeakMap<TextMap, string>();

export interface KnownAddress {
  readonly ip: string;
  readonly address: Address;
}

export interface KnownAgent {
  readonly header: string;
  readonly userAgent: UserAgent;
}

function agentText({ value, userAgent }: HistoryEvent): string {
  if (userAgent === null) return "";
  return `["${value.network?.user_agent}",${madeOnce(agentTexts, userAgent, JSON.stringify)}]`;
}

function readAgent(text: string): KnownAgent | null {
  if (text === "") return null;
  const [header, userAgent] = JSON.parse(text) as [string, UserAgent];
  return { header, userAgent };
}

function readAddress(text: string): KnownAddress | null {
  if (text === "") return null;
  const [ip, rest, where] = JSON.parse(text) as [string, Omit<Address, "place">, PlaceText | null];
  const place = where && placeOf(where);
  return { ip, address: { ...rest, place } };
}

type PlaceText = readonly [
  cell: number,
  radiusKm: number,
  country: string,
  city: string,
  generation: number,
];

/** Places come again and again, and one object for each makes them quick to compare. */
const placesKnown = new Map<string, Place>();
const PLACES_MAX = 100_000;

function placeOf([cell, radiusKm, country, city, generation]: PlaceText): Place {
  const name = `${cell}|${radiusKm}|${country}|${city}|${generation}`;
  let place = placesKnown.get(name);
  if (place === undefined) {
    if (placesKnown.size >= PLACES_MAX) placesKnown.clear();
    place = new Place(cell, radiusKm, country, city, generation);
    placesKnown.set(name, place);
  }
  return place;
}

export type RawDevice = NonNullable<RawEvent["device"]>;
export type Fingerprint = RawDevice["fingerprint"];

function fingerprintText({ value: { device } }: HistoryEvent): string {
  if (device === undefined) return "";
  if (device === null || device.fingerprint === null) return JSON.stringify(device && [null]);
  const { similarity, signals } = device.fingerprint;
  const text = signals === null ? "null" : madeOnce(signalsTexts, signals, signalsText);
  return `[${JSON.stringify(similarity)},${text}]`;
}

const signalsText = (signals: TextMap): string => JSON.stringify(sorted(signals.toObject()));

const sorted = (texts: Readonly<Record<string, string>>): Fields =>
  Object.fromEntries(Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1)));

/** undefined: the topic tells of no device; null: the event had none. */
function readFingerprint(text: string): { readonly of: Fingerprint } | null | undefined {
  if (text === "") return undefined;
  const read = JSON.parse(text) as [number | null, Record<string, string> | null] | [null] | null;
  if (read === null) return null;
  if (read.length === 1) return { of: null };
  const [similarity, signals] = read;
  return { of: { similarity, signals: signals && TextMap.of(signals) } };
}
