import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import {
  lockOffsets,
  type NextOffset,
  readOffsets,
  type StoredOffset,
  storeOffsets,
  type TopicPartition,
} from "@vigie/service-kit/postgres/sink-offsets";
import { advance, isBeyond, isLost, Positions } from "@vigie/service-kit/postgres/sink-positions";
import { EMPTY_HEAD, type Head, append as link } from "./chain.ts";
import type { AuditEntry } from "./entry.ts";
import {
  type AuditRow,
  auditColumns,
  conflictColumns,
  conflictRowOf,
  derivedOf,
  rowOf,
} from "./rows.ts";
import type { Sealing } from "./seal.ts";

/** Offsets are kept under this name; the schema keeps installations apart. */
export const GROUP = "vigie.audit-sink";

/** An entry, and the record's value as it came. */
export interface AuditItem {
  readonly entry: AuditEntry;
  readonly value: Uint8Array;
}

/** What one write did with its entries. */
export interface Written {
  readonly appended: number;
  /** Came again with the same content. */
  readonly repeated: number;
  /** Came again with another content: kept aside. Their ids and where they lay. */
  readonly conflicts: readonly AuditEntry[];
  readonly headIndex: number;
}

export interface AuditStore {
  positions(partitions: readonly TopicPartition[]): Promise<readonly StoredOffset[]>;
  /**
   * Appends what is new and stores `next`, in one transaction; nothing below a stored offset is taken again.
   * Where the store holds less than it was given (emptied, or restored from a backup) nothing is written, and
   * reading goes back to what it holds: an entry skipped here would be missing for ever.
   * Throws: VIG_DATABASE_AWAY; what PostgreSQL says. Then nothing has happened, or all of it.
   */
  write(items: readonly AuditItem[], next: readonly NextOffset[]): Promise<Written | Rewind>;
  /** No longer this member's. */
  forget(partitions: readonly TopicPartition[]): void;
}

export interface Rewind {
  readonly rewind: readonly StoredOffset[];
}

export function createAuditStore(db: Database, sealing: Sealing): AuditStore {
  const known = new Positions();
  const append = (items: readonly AuditItem[], next: readonly NextOffset[]) =>
    db.transaction(async (tx): Promise<Written | Rewind> => {
      await tx.query("select 1 from audit_head for update");
      const held = await lockOffsets(tx, GROUP, next);
      const rewind = held.filter((each) => isLost(each, known));
      if (rewind.length > 0) return { rewind };
      const isNew = isBeyond(held);
      const fresh = items.filter(({ entry }) => isNew(entry.origin));
      const { added, repeated, conflicts } = await sort(tx, fresh, sealing);
      const head = await appendAll(tx, added, sealing);
      await keepAside(tx, conflicts, sealing);
      await storeOffsets(tx, GROUP, advance(next, held));
      const kept = conflicts.map(({ entry }) => entry);
      return { appended: added.length, repeated, conflicts: kept, headIndex: head.index };
    });
  return {
    async positions(partitions) {
      const stored = await readOffsets(db, GROUP, partitions);
      known.set(stored);
      return stored;
    },
    async write(items, next) {
      const done = await append(items, next);
      known.set("rewind" in done ? done.rewind : next);
      return done;
    },
    forget: (partitions) => known.forget(partitions),
  };
}

interface Digested extends AuditItem {
  readonly digest: string;
}

interface Sorted {
  readonly added: readonly Digested[];
  readonly repeated: number;
  readonly conflicts: readonly Digested[];
}

const KNOWN = `
  select tenant_key, event_id, event_digest, key_id
    from audit_log
    join unnest($1::text[], $2::text[]) as given (tenant_key, event_id)
      using (tenant_key, event_id)`;

interface KnownEvent {
  readonly tenant_key: string;
  readonly event_id: string;
  readonly event_digest: string;
  readonly key_id: string;
}

/** New, repeated, or another event under a known id; within the batch as well. */
async function sort(
  tx: Queryable,
  items: readonly AuditItem[],
  { signer }: Sealing,
): Promise<Sorted> {
  const ids = [items.map(({ entry }) => entry.tenantKey), items.map(({ entry }) => entry.eventId)];
  const { rows } = items.length === 0 ? { rows: [] } : await tx.query<KnownEvent>(KNOWN, ids);
  // A digest under a key that was replaced since cannot be compared: the id alone decides then.
  const known = new Map(
    rows.map((row) => [
      nameOf(row.tenant_key, row.event_id),
      row.key_id === signer.keyId ? row.event_digest : null,
    ]),
  );
  const added: Digested[] = [];
  const conflicts: Digested[] = [];
  let repeated = 0;
  for (const item of items) {
    const { entry } = item;
    const name = nameOf(entry.tenantKey, entry.eventId);
    const before = known.get(name);
    const digest = signer.digest(entry.identity);
    if (before === undefined) {
      known.set(name, digest);
      added.push({ ...item, digest });
    } else if (before === null || before === digest) repeated += 1;
    else conflicts.push({ ...item, digest });
  }
  return { added, repeated, conflicts };
}

const nameOf = (tenantKey: string, eventId: string): string => `${tenantKey}|${eventId}`;

const HEAD = "select index, entry_hash, signature from audit_log order by index desc limit 1";

async function headOf(tx: Queryable): Promise<Head> {
  const { rows } = await tx.query<{ index: number; entry_hash: string; signature: string }>(HEAD);
  const [last] = rows;
  if (last === undefined) return EMPTY_HEAD;
  return { index: last.index, entryHash: last.entry_hash, signature: last.signature };
}

const APPEND = `
  insert into audit_log (${auditColumns.names}) select ${auditColumns.names} from ${auditColumns.from}`;

async function appendAll(
  tx: Queryable,
  entries: readonly Digested[],
  sealing: Sealing,
): Promise<Head> {
  let head = await headOf(tx);
  const rows: AuditRow[] = [];
  for (const { entry, digest } of entries) {
    const placed = { index: head.index + 1, ...rowOf(entry, digest, sealing) };
    const linked = link(placed, head, sealing.signer);
    rows.push({ ...linked.chained, ...derivedOf(placed) });
    head = linked.head;
  }
  if (rows.length > 0) await tx.query(APPEND, auditColumns.values(rows));
  return head;
}

const KEEP_ASIDE = `
  insert into audit_conflicts (${conflictColumns.names})
  select ${conflictColumns.names} from ${conflictColumns.from}`;

async function keepAside(
  tx: Queryable,
  items: readonly Digested[],
  sealing: Sealing,
): Promise<void> {
  if (items.length === 0) return;
  const rows = items.map((item) => conflictRowOf(item.entry, item, sealing));
  await tx.query(KEEP_ASIDE, conflictColumns.values(rows));
}
