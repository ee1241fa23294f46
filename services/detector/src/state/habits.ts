import type { Reader, Writer } from "@vigie/core/bytes";
import { type GridCell, gridCellCentre, haversineKm } from "@vigie/core/geo";
import { DAY_MS, SECOND_MS } from "@vigie/core/time";
import { GIVEN, type Place } from "@vigie/geoip/place";
import type { Channel } from "@vigie/schemas/types";
import { coarseCell, coarsenessKm } from "#enrich/coarse-place";
import type { Precision } from "./precision.ts";
import type { Part } from "./user-state.ts";

/** A successful login, as far as it teaches of the user's habits. */
export interface HabitLogin {
  readonly atMs: number;
  readonly channel: Channel;
  /** Where the user was, or null. */
  readonly position: Place | null;
}

export interface CountrySeen {
  readonly country: string;
  /** Event time of the newest login from there, to the second. */
  readonly lastMs: number;
}

/** A place that the user logged in from. */
interface Haunt {
  readonly cell: GridCell;
  /** Days with a login, 255 at most. */
  readonly days: number;
  /** The newest of them, in days since the epoch. */
  readonly lastDay: number;
}

/** Logins of one channel that followed each other. */
interface Run {
  readonly channel: number;
  readonly count: number;
}

/** Codes of stored states: append only. */
const channels: readonly Channel[] = ["UNKNOWN", "MOBILE", "WEB", "USSD", "API"];

/** Source: DESIGN, detector, unusual_channel. */
export const CHANNEL_LOGINS_MAX = 50;
/** A run is one byte: channel and count, which is never 0. */
const RUN_STEP = CHANNEL_LOGINS_MAX + 1;
/** More countries than people log in from within the 90 days that count. */
const COUNTRIES_MAX = 16;
const HAUNTS_MAX = 8;
const LOGINS_MAX = 255;
/** Places closer than what impossible_travel calls a way at all are one (its default distance_min_km). */
const HAUNT_RADIUS_KM = 100;
/** Once is a visit, and an attacker's one is no habit. */
const HAUNT_DAYS_MIN = 3;
/** A haunt not visited for this long is one no more; the same span as country_change's. */
const HAUNT_FADES_DAYS = 90;
/** A user is known from the first of these on. Source: the task's wording, as Microsoft Entra's sign-in risk learns. */
export const KNOWN_AFTER_LOGINS = 10;
export const KNOWN_AFTER_MS = 14 * DAY_MS;

/**
 * What is known of a user from the logins that succeeded: when and how often, on which channels, in which countries,
 * at which places. Immutable and bounded.
 */
export class Habits {
  static readonly none = new Habits(0, 0, [], [], [], GIVEN);

  /** Successful logins, 255 at most. */
  readonly logins: number;
  /** Event time of the oldest login, to the second; 0: none. */
  readonly firstSeenMs: number;
  /** The one seen last first. */
  readonly countries: readonly CountrySeen[];
  /** Of the GeoIP data that the country of the login that came last was looked up in; GIVEN: of none. */
  readonly generation: number;
  private readonly runs: readonly Run[];
  private readonly haunts: readonly Haunt[];

  private constructor(
    logins: number,
    firstSeenMs: number,
    countries: readonly CountrySeen[],
    runs: readonly Run[],
    haunts: readonly Haunt[],
    generation: number,
  ) {
    this.logins = logins;
    this.firstSeenMs = firstSeenMs;
    this.countries = countries;
    this.runs = runs;
    this.haunts = haunts;
    this.generation = generation;
  }

  /** Whether enough was seen of the user to tell what is usual. */
  isKnownAt(atMs: number): boolean {
    return this.logins >= KNOWN_AFTER_LOGINS || this.hasDaysAt(atMs);
  }

  private hasDaysAt(atMs: number): boolean {
    return this.logins > 0 && atMs - this.firstSeenMs >= KNOWN_AFTER_MS;
  }

  /** Of the last 50 logins: how many there are, and how many were on this channel. */
  onChannel(channel: Channel): { readonly count: number; readonly of: number } {
    const code = channels.indexOf(channel);
    let count = 0;
    let of = 0;
    for (const run of this.runs) {
      of += run.count;
      if (run.channel === code) count += run.count;
    }
    return { count, of };
  }

  /** When the user last logged in from this country, or null. */
  lastSeenInMs(country: string): number | null {
    for (const seen of this.countries) if (seen.country === country) return seen.lastMs;
    return null;
  }

  /** Whether the user, once known, is often at this place. */
  isOftenAt(place: Place, atMs: number): boolean {
    if (!this.isKnownAt(atMs)) return false;
    let days = 0;
    let lastDay = 0;
    for (const haunt of hauntsAt(this.haunts, place.cell)) {
      days += haunt.days;
      lastDay = Math.max(lastDay, haunt.lastDay);
    }
    return days >= HAUNT_DAYS_MIN && Math.floor(atMs / DAY_MS) - lastDay <= HAUNT_FADES_DAYS;
  }

  /** With one more login. */
  after({ atMs, channel, position }: HabitLogin): Habits {
    const secondMs = atMs - (atMs % SECOND_MS);
    const from = position === null || position.country === "" ? null : position;
    return new Habits(
      Math.min(this.logins + 1, LOGINS_MAX),
      this.logins === 0 ? secondMs : Math.min(this.firstSeenMs, secondMs),
      from === null ? this.countries : withCountry(this.countries, from.country, secondMs),
      withChannel(this.runs, channels.indexOf(channel)),
      position === null ? this.haunts : withHaunt(this.haunts, position.cell, atMs),
      from === null || from.isGiven ? this.generation : from.generation,
    );
  }

  /** The same with no place finer than a geohash of so many characters. */
  coarsened(precision: Precision): Habits {
    const haunts = new Map<GridCell, Haunt>();
    for (const { cell: fine, days, lastDay } of this.haunts) {
      const cell = coarseCell(fine, precision);
      const same = haunts.get(cell);
      // On how many of these days the user was at both, nobody knows.
      haunts.set(cell, {
        cell,
        days: Math.max(days, same?.days ?? 0),
        lastDay: Math.max(lastDay, same?.lastDay ?? 0),
      });
    }
    const { logins, firstSeenMs, countries, runs, generation } = this;
    return new Habits(logins, firstSeenMs, countries, runs, [...haunts.values()], generation);
  }

  static write(writer: Writer, habits: Habits): void {
    const { countries, runs, haunts } = habits;
    writer.room(1);
    writer.u8(habits.logins);
    writer.u32(habits.firstSeenMs / SECOND_MS);
    writer.room(5 + countries.length * 6 + runs.length + haunts.length * 7);
    writer.u16(habits.generation);
    writer.u8(countries.length);
    for (const { country, lastMs } of countries) {
      writer.u8(country.charCodeAt(0));
      writer.u8(country.charCodeAt(1));
      writer.u32(lastMs / SECOND_MS);
    }
    writer.u8(runs.length);
    for (const { channel, count } of runs) writer.u8(channel * RUN_STEP + count);
    writer.u8(haunts.length);
    for (const { cell, days, lastDay } of haunts) {
      writer.u32(cell);
      writer.u8(days);
      writer.u16(lastDay);
    }
  }

  static read(reader: Reader): Habits {
    const logins = reader.u8();
    const firstSeenMs = reader.u32() * SECOND_MS;
    const generation = reader.u16();
    // Arrays of their length: one that is pushed to takes room for 17 items with the first.
    const countries = new Array<CountrySeen>(reader.u8());
    for (let i = 0; i < countries.length; i++) {
      const country = String.fromCharCode(reader.u8(), reader.u8());
      countries[i] = { country, lastMs: reader.u32() * SECOND_MS };
    }
    const runs = new Array<Run>(reader.u8());
    for (let i = 0; i < runs.length; i++) {
      const packed = reader.u8();
      runs[i] = { channel: Math.floor(packed / RUN_STEP), count: packed % RUN_STEP };
    }
    const haunts = new Array<Haunt>(reader.u8());
    for (let i = 0; i < haunts.length; i++) {
      haunts[i] = { cell: reader.u32(), days: reader.u8(), lastDay: reader.u16() };
    }
    return new Habits(logins, firstSeenMs, countries, runs, haunts, generation);
  }
}

/** The part of the state that holds them. */
export const habitsPart: Part<Habits> = {
  part: 100,
  codec: {
    initial: Habits.none,
    write: Habits.write,
    read: Habits.read,
    coarsened: (habits, precision) => habits.coarsened(precision),
  },
};

function withCountry(
  countries: readonly CountrySeen[],
  country: string,
  atMs: number,
): readonly CountrySeen[] {
  const [newest] = countries;
  // Most people stay in one country.
  if (newest?.country === country && newest.lastMs <= atMs)
    return newest.lastMs === atMs ? countries : countries.with(0, { country, lastMs: atMs });
  const known = countries.find((seen) => seen.country === country);
  if (known !== undefined && known.lastMs >= atMs) return countries;
  const others = countries.filter((seen) => seen !== known);
  return [{ country, lastMs: atMs }, ...others]
    .sort((a, b) => b.lastMs - a.lastMs)
    .slice(0, COUNTRIES_MAX);
}

/** In the order of arrival: of logins that come late, nobody knows which fell out already. */
function withChannel(runs: readonly Run[], channel: number): readonly Run[] {
  const next = runs.slice();
  const last = next.at(-1);
  if (last?.channel === channel && last.count < CHANNEL_LOGINS_MAX)
    next[next.length - 1] = { channel, count: last.count + 1 };
  else if (last?.channel !== channel) next.push({ channel, count: 1 });
  const oldest = next[0] as Run;
  const total = next.reduce((sum, { count }) => sum + count, 0);
  if (total <= CHANNEL_LOGINS_MAX) return next;
  if (oldest.count === 1) next.shift();
  else next[0] = { channel: oldest.channel, count: oldest.count - 1 };
  return next;
}

function indexOfHaunt(haunts: readonly Haunt[], cell: GridCell): number {
  const same = haunts.findIndex((haunt) => haunt.cell === cell);
  if (same >= 0) return same;
  const centre = gridCellCentre(cell);
  return haunts.findIndex(
    (haunt) => haversineKm(gridCellCentre(haunt.cell), centre) <= HAUNT_RADIUS_KM,
  );
}

/**
 * The haunt that a place is at, and with coarse places all that it may be at, by the radii, which speak for the user as
 * they do of a trip: what is one haunt of fine places may lie in several cells.
 */
function hauntsAt(haunts: readonly Haunt[], cell: GridCell): readonly Haunt[] {
  const own = indexOfHaunt(haunts, cell);
  const centre = gridCellCentre(cell);
  const reachKm = coarsenessKm(cell);
  return haunts.filter((haunt, index) => {
    if (index === own) return true;
    const bothKm = reachKm + coarsenessKm(haunt.cell);
    if (bothKm === 0) return false;
    return haversineKm(gridCellCentre(haunt.cell), centre) <= HAUNT_RADIUS_KM + bothKm;
  });
}

function withHaunt(haunts: readonly Haunt[], cell: GridCell, atMs: number): readonly Haunt[] {
  const day = Math.floor(atMs / DAY_MS);
  const at = indexOfHaunt(haunts, cell);
  const known = haunts[at];
  if (known === undefined) {
    const kept = haunts.length < HAUNTS_MAX ? haunts : haunts.toSpliced(weakestOf(haunts), 1);
    return [...kept, { cell, days: 1, lastDay: day }];
  }
  if (known.lastDay >= day) return haunts;
  const days = Math.min(known.days + 1, 255);
  return haunts.with(at, { cell: known.cell, days, lastDay: day });
}

/** The one with the fewest days, of these the one not visited for longest. */
function weakestOf(haunts: readonly Haunt[]): number {
  let weakest = 0;
  haunts.forEach(({ days, lastDay }, i) => {
    const least = haunts[weakest] as Haunt;
    if (days < least.days || (days === least.days && lastDay < least.lastDay)) weakest = i;
  });
  return weakest;
}
