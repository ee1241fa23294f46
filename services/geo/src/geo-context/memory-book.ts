import { pageOf } from "@vigie/service-kit/keyset";
import type { OutboxRecord } from "@vigie/service-kit/postgres/outbox";
import type { GeoEventRow } from "#geo-events/geo-events";
import type { Position } from "#gps/position";
import { keyOf, type Person } from "#person";
import { consentOf, defaultPrefs, type Prefs } from "#prefs/prefs";
import { type GeoContext, narrowedContext, narrowedPlace } from "./geo-context.ts";
import type { PlaceBook } from "./place-book.ts";

export interface MemoryBook extends PlaceBook {
  /** What went out with the changes, in order. */
  readonly published: readonly OutboxRecord[];
  positions(person: Person): readonly Position[];
}

interface Kept {
  prefs: Prefs;
  context: GeoContext | null;
  events: readonly GeoEventRow[];
  positions: readonly Position[];
}

/** The book without servers: the same promises. */
export function memoryBook(): MemoryBook {
  const people = new Map<string, Kept>();
  const published: OutboxRecord[] = [];
  const kept = (person: Person): Kept =>
    people.get(keyOf(person)) ?? {
      prefs: defaultPrefs,
      context: null,
      events: [],
      positions: [],
    };
  return {
    published,
    positions: (person) => kept(person).positions,
    async read(person) {
      const { prefs, context } = kept(person);
      return { prefs, context };
    },
    async change(person, decide) {
      const before = kept(person);
      const { prefs, context } = before;
      const change = decide({ prefs, context });
      const after = change.prefs === undefined ? before : narrowed(before, change.prefs);
      const fresh = change.events.filter(({ id }) => !after.events.some((each) => each.id === id));
      people.set(keyOf(person), {
        ...after,
        ...(change.context && { context: change.context }),
        events: [...after.events, ...fresh],
        positions: change.position ? [...after.positions, change.position] : after.positions,
      });
      if (change.record) published.push(change.record);
      return change;
    },
    async events(person, { after, limit, type }) {
      const wanted = kept(person)
        .events.filter((event) => type === null || event.type === type)
        .toSorted(newestFirst)
        .filter(
          (event) => after === null || isBefore(event, { ...after, occurredAtMs: after.atMs }),
        );
      const place = ({ occurredAtMs, id }: GeoEventRow) => ({ atMs: occurredAtMs, id });
      return pageOf(wanted.slice(0, limit + 1), limit, place);
    },
  };
}

type Placed = Pick<GeoEventRow, "occurredAtMs" | "id">;

const newestFirst = (a: Placed, b: Placed): number => (isBefore(a, b) ? 1 : -1);

const isBefore = (a: Placed, b: Placed): boolean =>
  a.occurredAtMs < b.occurredAtMs || (a.occurredAtMs === b.occurredAtMs && a.id < b.id);

function narrowed(before: Kept, prefs: Prefs): Kept {
  const consent = consentOf(prefs);
  return {
    prefs,
    context: before.context && narrowedContext(before.context, consent),
    events: before.events.map((event) => narrowedPlace(event, consent)),
    positions: prefs.gpsOptIn ? before.positions : [],
  };
}
