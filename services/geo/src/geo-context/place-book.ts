import type { Page, PageWanted } from "@vigie/service-kit/keyset";
import type { OutboxRecord } from "@vigie/service-kit/postgres/outbox";
import type { GeoEventRow, GeoEventType } from "#geo-events/geo-events";
import type { Position } from "#gps/position";
import type { Person } from "#person";
import type { Prefs } from "#prefs/prefs";
import type { GeoContext } from "./geo-context.ts";

/** What is kept of a person's consent and last place. */
export interface Held {
  readonly prefs: Prefs;
  readonly context: GeoContext | null;
}

/** What is to be written, all or nothing. */
export interface Change {
  /** What is kept that is finer than these allow is cut with them, positions are erased without opt-in. */
  readonly prefs?: Prefs;
  readonly context?: GeoContext;
  readonly events: readonly GeoEventRow[];
  /** For the vault: of who has opted in only. */
  readonly position?: Position;
  /** Published if, and only if, the change is made. */
  readonly record?: OutboxRecord;
}

export interface EventsWanted extends PageWanted {
  readonly type: GeoEventType | null;
}

/** Where consent, last places and their record are kept. Of every call: throws VIG_DATABASE_AWAY. */
export interface PlaceBook {
  /** May be remembered for some minutes, but never from before a change that has been made. */
  read(person: Person): Promise<Held>;
  /**
   * One change of a person at a time. `decide` is pure: it may be asked again. What it is given is never remembered.
   * Throws: what `decide` throws, VIG_REDIS_AWAY, and VIG_SESSION_ENDED for a context of before the person's erasure;
   * then nothing is changed.
   */
  change<C extends Change>(person: Person, decide: (held: Held) => C): Promise<C>;
  /** Newest first. */
  events(person: Person, wanted: EventsWanted): Promise<Page<GeoEventRow>>;
}
