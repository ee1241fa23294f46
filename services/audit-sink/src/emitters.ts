import { MINUTE_MS } from "@vigie/core/time";
import {
  type AuditAction,
  SERIES_CLOSED,
  SERIES_CONTINUED_EVERY_MS,
} from "@vigie/schemas/audit-actions";
import { nameUuid } from "@vigie/service-kit/ids";
import { type AuditEntry, type Origin, ownEntry, placeOf } from "./entry.ts";

/** Numbers that an emitter has given and that have not come; `to` null: nobody knows how many behind `from`. */
export interface Missed {
  readonly from: number;
  readonly to: number | null;
  /** When it was noticed, by our clock: only decides when it is given up. */
  readonly noticedAtMs: number;
  /** The record by which it was noticed. */
  readonly by: Origin;
}

/** One series of records, as far as it has come. */
export interface Series {
  readonly emitter: string;
  readonly nextSeq: number;
  readonly closed: boolean;
  /** Broker's time of its newest record. */
  readonly lastAtMs: number;
  /** Where that one lay; null: unknown. */
  readonly last: Origin | null;
  readonly missed: readonly Missed[];
  /** How many were given up. */
  readonly missing: number;
}

/** Source: DESIGN, numbers begin with 1. */
const FIRST_SEQ = 1;
export const GAP_DETECTED = "audit.gap_detected" satisfies AuditAction;
/** Whose the gaps are; docs/audit-format.md. Records of Vigie itself have no tenant. */
const PLATFORM_TENANT = "platform";

/**
 * So long what is missed may still come: an edge writes what the broker refused again, and records of two partitions
 * are read in no order.
 */
export const GRACE_MS = 5 * MINUTE_MS;
/** Holes of one series that are waited for; of more the oldest are given up at once. */
const MISSED_MAX = 100;

/** Whoever runs said so four times. */
export const SILENT_MS = 4 * SERIES_CONTINUED_EVERY_MS;

const BOOT = /^(.+)\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Of a process that numbers anew with every start; null of a series that goes on for ever. */
export const instanceOf = (emitter: string): string | null => BOOT.exec(emitter)?.[1] ?? null;

const begun = (emitter: string): Series => ({
  emitter,
  nextSeq: FIRST_SEQ,
  closed: false,
  lastAtMs: 0,
  last: null,
  missed: [],
  missing: 0,
});

const knowsEnd = ({ missed }: Series): boolean => missed.some(({ to }) => to === null);

/** The series with one more of its records. */
export function followed(before: Series | undefined, entry: AuditEntry, nowMs: number): Series {
  const series = before ?? begun(entry.emitter);
  const { emitterSeq: seq, origin } = entry;
  const isNext = seq >= series.nextSeq;
  const hole = { from: series.nextSeq, to: seq - 1, noticedAtMs: nowMs, by: origin };
  const missed = isNext
    ? [...series.missed, ...(seq > series.nextSeq ? [hole] : [])]
    : series.missed.flatMap((each) => without(each, seq));
  const closed = series.closed || entry.action === SERIES_CLOSED;
  return {
    ...series,
    nextSeq: isNext ? seq + 1 : series.nextSeq,
    closed,
    lastAtMs: Math.max(series.lastAtMs, origin.timestampMs),
    last: origin.timestampMs > series.lastAtMs ? placeOf(origin) : series.last,
    missed: closed ? missed.filter(({ to }) => to !== null) : missed,
  };
}

function without(hole: Missed, seq: number): readonly Missed[] {
  const { from, to } = hole;
  if (to === null || seq < from || seq > to) return [hole];
  const before = { ...hole, to: seq - 1 };
  const behind = { ...hole, from: seq + 1 };
  return [...(from < seq ? [before] : []), ...(seq < to ? [behind] : [])];
}

/** The boots of one instance: all but the newest have ended, and those without a closing record broke off. */
export function superseded(
  boots: readonly Series[],
  newest: { readonly lastAtMs: number; readonly by: Origin },
  nowMs: number,
): readonly Series[] {
  return boots.map((boot) => {
    if (boot.closed || knowsEnd(boot) || boot.lastAtMs >= newest.lastAtMs) return boot;
    const end = { from: boot.nextSeq, to: null, noticedAtMs: nowMs, by: newest.by };
    return { ...boot, missed: [...boot.missed, end] };
  });
}

/** When the first of what is missed is given up, or the series itself; null: never, as it is. */
export function dueAtMs(series: Series): number | null {
  const { missed } = series;
  const [first] = missed;
  const silentAtMs = silentFromMs(series);
  if (first === undefined) return silentAtMs;
  const firstAtMs = missed.length > MISSED_MAX ? 0 : first.noticedAtMs + GRACE_MS;
  return Math.min(firstAtMs, silentAtMs ?? firstAtMs);
}

/** From when on nobody writes it any more, unless more of it comes before; null: it has no end, or a known one. */
function silentFromMs(series: Series): number | null {
  const isOpen = instanceOf(series.emitter) !== null && !series.closed && !knowsEnd(series);
  return isOpen && series.last !== null ? series.lastAtMs + SILENT_MS : null;
}

/** With an end where it has been silent for too long: of a process that nothing followed under its name. */
function silenced(series: Series, nowMs: number): Series {
  const { nextSeq, last, missed } = series;
  const fromMs = silentFromMs(series);
  if (fromMs === null || last === null || nowMs < fromMs) return series;
  const end = { from: nextSeq, to: null, noticedAtMs: nowMs - GRACE_MS, by: last };
  return { ...series, missed: [...missed, end] };
}

/** What is due by now, or too much, as entries of the log; and the series without it. */
export function givenUp(
  before: Series,
  nowMs: number,
): { readonly series: Series; readonly gaps: readonly AuditEntry[] } {
  const series = silenced(before, nowMs);
  const isDue = ({ noticedAtMs }: Missed, i: number): boolean =>
    noticedAtMs + GRACE_MS <= nowMs || i < series.missed.length - MISSED_MAX;
  const due = series.missed.filter(isDue);
  const count = due.reduce((sum, { from, to }) => sum + (to === null ? 0 : to - from + 1), 0);
  const broken = due.some(({ to }) => to === null);
  return {
    series: {
      ...series,
      missed: series.missed.filter((each, i) => !isDue(each, i)),
      missing: series.missing + count,
      // Told of once; should it go on after all, its records count as any others.
      closed: series.closed || broken,
    },
    gaps: due.map((each) => gapEntry(series, each)),
  };
}

function gapEntry({ emitter, nextSeq }: Series, { from, to, by }: Missed): AuditEntry {
  // It may have gone on since it was noticed that it has ended.
  const payload = { emitter, from: to === null ? nextSeq : from, to };
  return ownEntry(
    {
      eventId: nameUuid(PLATFORM_TENANT, "event", `gap|${emitter}|${payload.from}|${to ?? ""}`),
      tenantKey: PLATFORM_TENANT,
      occurredAtMs: by.timestampMs,
      action: GAP_DETECTED,
      payload,
    },
    by,
  );
}
