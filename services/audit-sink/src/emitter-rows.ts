import type { Queryable } from "@vigie/service-kit/postgres/database";
import {
  dueAtMs,
  followed,
  givenUp,
  instanceOf,
  type Missed,
  type Series,
  superseded,
} from "./emitters.ts";
import type { AuditEntry, Origin } from "./entry.ts";

/** Anomalies have no series: the numbers of their records are offsets, of which most are not audited. */
const NUMBERED_TOPIC = "id.audit";

interface SeriesRow {
  readonly emitter: string;
  readonly next_seq: number;
  readonly closed: boolean;
  readonly last_at_ms: number;
  readonly last_record: Origin | null;
  readonly pending: readonly Missed[];
  readonly missing: number;
}

const COLUMNS = "emitter, next_seq, closed, last_at_ms, last_record, pending, missing";
/** Of one write: whoever makes series without end must not make a write without end. */
export const DUE_MAX = 1_000;
const READ_DUE = `
  select ${COLUMNS} from audit_emitters
   where due_at_ms <= $1 order by due_at_ms, emitter limit ${DUE_MAX}`;
const READ = `select ${COLUMNS} from audit_emitters where emitter = any($1::text[])`;
/** Those whose end is known already are left alone: of an instance that starts again and again they are many. */
const READ_OPEN = `
  select ${COLUMNS} from audit_emitters
   where instance = any($1::text[]) and not closed and not pending @> '[{"to": null}]'`;
const WRITE = `
  insert into audit_emitters
    (emitter, instance, next_seq, closed, last_at_ms, pending, due_at_ms, missing, last_record)
  select * from unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[], $5::bigint[], $6::jsonb[],
                       $7::bigint[], $8::bigint[], $9::jsonb[])
  on conflict (emitter) do update
    set next_seq = excluded.next_seq, closed = excluded.closed, last_at_ms = excluded.last_at_ms,
        pending = excluded.pending, due_at_ms = excluded.due_at_ms, missing = excluded.missing,
        last_record = excluded.last_record`;

const seriesOf = (row: SeriesRow): Series => ({
  emitter: row.emitter,
  nextSeq: row.next_seq,
  closed: row.closed,
  lastAtMs: row.last_at_ms,
  last: row.last_record,
  missed: row.pending,
  missing: row.missing,
});

/** What is given up, and the series as they are then. */
export interface Due {
  readonly series: readonly Series[];
  readonly gaps: readonly AuditEntry[];
}

export const NOTHING_DUE: Due = { series: [], gaps: [] };

/** What is given up by now, the longest due first. Nothing is written yet. */
export async function readDue(tx: Queryable, nowMs: number): Promise<Due> {
  const { rows } = await tx.query<SeriesRow>(READ_DUE, [nowMs]);
  const ended = rows.map((row) => givenUp(seriesOf(row), nowMs));
  return {
    series: ended.map(({ series }) => series),
    gaps: ended.flatMap(({ gaps }) => gaps),
  };
}

/** Follows the series of appended entries, from `due` and what is stored, and stores them. */
export async function followSeries(
  tx: Queryable,
  entries: readonly AuditEntry[],
  { due, nowMs }: { readonly due: readonly Series[]; readonly nowMs: number },
): Promise<void> {
  const numbered = entries.filter(({ origin }) => origin.topic === NUMBERED_TOPIC);
  const changed = new Map(due.map((series) => [series.emitter, series]));
  const names = new Set(numbered.map(({ emitter }) => emitter));
  const unknown = [...names].filter((name) => !changed.has(name));
  if (unknown.length > 0) {
    const { rows } = await tx.query<SeriesRow>(READ, [unknown]);
    for (const row of rows) changed.set(row.emitter, seriesOf(row));
  }
  const boots = [...names].filter((name) => !changed.has(name) && instanceOf(name) !== null);
  for (const entry of numbered) {
    changed.set(entry.emitter, followed(changed.get(entry.emitter), entry, nowMs));
  }
  if (boots.length > 0) await endOlderBoots(tx, { boots, numbered, changed, nowMs });
  await write(tx, [...changed.values()]);
}

/** Of what a new boot tells: that the others of its instance have ended. */
async function endOlderBoots(
  tx: Queryable,
  given: {
    readonly boots: readonly string[];
    readonly numbered: readonly AuditEntry[];
    readonly changed: Map<string, Series>;
    readonly nowMs: number;
  },
): Promise<void> {
  const { changed, nowMs } = given;
  const instances = new Set(given.boots.map((boot) => instanceOf(boot)));
  const { rows } = await tx.query<SeriesRow>(READ_OPEN, [[...instances]]);
  for (const row of rows) {
    if (!changed.has(row.emitter)) changed.set(row.emitter, seriesOf(row));
  }
  for (const instance of instances) {
    // One that has closed tells nothing of others: it may have ended after the next one had begun.
    const series = [...changed.values()].filter(
      ({ emitter, closed }) => !closed && instanceOf(emitter) === instance,
    );
    if (series.length === 0) continue;
    const lastAtMs = Math.max(...series.map((each) => each.lastAtMs));
    const by = firstOf(given.numbered, instance);
    for (const each of superseded(series, { lastAtMs, by }, nowMs)) changed.set(each.emitter, each);
  }
}

function firstOf(entries: readonly AuditEntry[], instance: string | null): Origin {
  const first = entries.find(({ emitter }) => instanceOf(emitter) === instance);
  return (first as AuditEntry).origin;
}

async function write(tx: Queryable, series: readonly Series[]): Promise<void> {
  if (series.length === 0) return;
  await tx.query(WRITE, [
    series.map(({ emitter }) => emitter),
    series.map(({ emitter }) => instanceOf(emitter)),
    series.map(({ nextSeq }) => nextSeq),
    series.map(({ closed }) => closed),
    series.map(({ lastAtMs }) => lastAtMs),
    series.map(({ missed }) => JSON.stringify(missed)),
    series.map(dueAtMs),
    series.map(({ missing }) => missing),
    series.map(({ last }) => (last === null ? null : JSON.stringify(last))),
  ]);
}
