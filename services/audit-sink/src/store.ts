import type { Frontier } from "@vigie/audit-log/tree";
import type { Clock } from "@vigie/core/time";
import type { Keys } from "@vigie/service-kit/kms/keys";
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
import { appendEntries } from "./append.ts";
import { keepAside } from "./conflicts.ts";
import { followSeries, NOTHING_DUE, readDue } from "./emitter-rows.ts";
import { GAP_DETECTED } from "./emitters.ts";
import type { AuditEntry } from "./entry.ts";
import { destroyKeys } from "./erasure.ts";
import { type Head, lockHead, writeHead } from "./head.ts";
import type { AuditItem, Erasure } from "./items.ts";
import { type Digested, sortOut } from "./known-events.ts";
import { type Random, systemRandom } from "./random.ts";
import { mayGiveUp, readOn } from "./reading.ts";
import type { Signers } from "./signer.ts";
import { SubjectKeys } from "./subjects.ts";
import { openSubjects } from "./subjects-of-batch.ts";
import { readTree, type Tree } from "./tree-rows.ts";

/** Offsets are kept under this name; the schema keeps installations apart. */
export const GROUP = "vigie.audit-sink";

/** What one write did with its entries. */
export interface Written {
  readonly appended: number;
  /** Came again with the same content. */
  readonly repeated: number;
  /** Came again with another content: kept aside. */
  readonly conflicts: readonly AuditEntry[];
  /** Records that never came, as they were put on record. */
  readonly gaps: readonly AuditEntry[];
  /** Leaves of the log. */
  readonly size: number;
}

export interface Rewind {
  readonly rewind: readonly StoredOffset[];
}

/** What is written at once: each part in the order of its records. */
export interface AuditBatch {
  readonly items: readonly AuditItem[];
  readonly erasures?: readonly Erasure[];
}

export interface AuditStore {
  positions(partitions: readonly TopicPartition[]): Promise<readonly StoredOffset[]>;
  /**
   * Appends what is new and stores `next`, in one transaction; nothing below a stored offset is taken again. Keys are
   * destroyed before anything is appended: what came with the erasure and is older than it is sealed for nobody.
   * Where the store holds less than it was given (emptied, or restored from a backup) nothing is written, and
   * reading goes back to what it holds: an entry skipped here would be missing for ever.
   * Throws: VIG_DATABASE_AWAY; what PostgreSQL says. Then nothing has happened, or all of it.
   */
  write(batch: AuditBatch, next: readonly NextOffset[]): Promise<Written | Rewind>;
  /** No longer this member's. */
  forget(partitions: readonly TopicPartition[]): void;
}

export interface AuditStoreOptions {
  readonly keys: Keys;
  readonly signers: Signers;
  readonly clock: Clock;
  readonly random?: Random;
  /** Asked under the lock of the head, with the tree's size, before anything is appended. Throws: why nothing may be. */
  readonly admit?: (size: bigint) => void;
}

export function createAuditStore(db: Database, options: AuditStoreOptions): AuditStore {
  const known = new Positions();
  const writer = new Writer(options);
  // Two at once would wait for each other at the head anyway.
  let last: Promise<unknown> = Promise.resolve();

  async function write(batch: AuditBatch, next: readonly NextOffset[]) {
    const done = await db.transaction((tx) => writer.write(tx, { batch, next, known }));
    known.set("rewind" in done ? done.rewind : next);
    return writer.committed(done);
  }

  return {
    async positions(partitions) {
      const stored = await readOffsets(db, GROUP, partitions);
      known.set(stored);
      return stored;
    },
    write(batch, next) {
      const done = last.then(() => write(batch, next));
      last = done.catch(() => undefined);
      return done;
    },
    forget: (partitions) => known.forget(partitions),
  };
}

interface Given {
  readonly batch: AuditBatch;
  readonly next: readonly NextOffset[];
  readonly known: Positions;
}

/** What a transaction has done, and what is remembered of it once it is committed. */
interface Done extends Written {
  readonly remember: () => void;
}

/** One batch after the other, with what the next one would else have to read again. */
class Writer {
  private readonly options: AuditStoreOptions;
  private readonly keys: SubjectKeys;
  private tree: Tree | null = null;
  /** A transaction was begun, and nobody has said that it is committed. */
  private uncertain = false;

  constructor(options: AuditStoreOptions) {
    this.options = options;
    this.keys = new SubjectKeys({ keys: options.keys, random: options.random ?? systemRandom });
  }

  async write(tx: Queryable, { batch, next, known }: Given): Promise<Done | Rewind> {
    if (this.uncertain) this.forget();
    this.uncertain = true;
    const before = await lockHead(tx);
    const held = await lockOffsets(tx, GROUP, next);
    const rewind = held.filter((each) => isLost(each, known));
    if (rewind.length > 0) return { rewind };
    this.options.admit?.(before.frontier.size);
    const isNew = isBeyond(held);
    const items = batch.items.filter(({ entry }) => isNew(entry.origin));
    const erasures = (batch.erasures ?? []).filter(({ origin }) => isNew(origin));
    const done = await this.append(tx, before, { items, erasures });
    await storeOffsets(tx, GROUP, advance(next, held));
    return done;
  }

  /** A rewind leaves it uncertain: what is remembered may be gone with what the store has lost. */
  committed(done: Done | Rewind): Written | Rewind {
    if ("rewind" in done) return done;
    const { remember, ...written } = done;
    remember();
    this.uncertain = false;
    return written;
  }

  private forget(): void {
    this.tree = null;
    this.keys.forget();
  }

  private async append(
    tx: Queryable,
    before: Head,
    { items, erasures }: Required<AuditBatch>,
  ): Promise<Done> {
    const { keys: platform, signers, clock } = this.options;
    const nowMs = clock();
    const tree = await this.treeOf(tx, before);
    const erased = await destroyKeys(tx, erasures);
    const reading = readOn(before.reading, nowMs);
    const due = mayGiveUp(reading) ? await readDue(tx, nowMs) : NOTHING_DUE;
    const own = [...erased.entries, ...due.gaps].map((entry) => ({ entry, value: null }));
    const { added, repeated, conflicts } = await sortOut(tx, [...own, ...items], signers);

    const destroyed = before.destroyed + erased.entries.length;
    const erasedUntilMs = Math.max(before.erasedUntilMs, erased.untilMs);
    this.keys.keepUpTo(destroyed);
    const sealing = [...added, ...conflicts].map(({ entry }) => entry);
    const subjects = await openSubjects(tx, sealing, { keys: this.keys, erasedUntilMs });
    const { current: signer } = signers;
    const late = subjects.destroyed.map(
      (entry): Digested => ({ entry, value: null, digest: signer.digest(entry.identity) }),
    );
    const all = [...added, ...late];
    const grown = await appendEntries(tx, all, { tree, signer, subjects });
    const entries = all.map(({ entry }) => entry);
    await followSeries(tx, entries, { due: due.series, nowMs });
    await keepAside(tx, conflicts, { keys: platform, subjects });
    await writeHead(tx, { frontier: grown.frontier, destroyed, erasedUntilMs, reading });
    return {
      appended: all.length,
      repeated,
      conflicts: conflicts.map(({ entry }) => entry),
      gaps: entries.filter(({ action }) => action === GAP_DETECTED),
      size: Number(grown.frontier.size),
      remember: () => {
        this.tree = grown;
        this.keys.keep(subjects.found);
      },
    };
  }

  /** As it was left, unless another member has appended since, or the store has lost some, or is another one. */
  private async treeOf(tx: Queryable, { frontier }: Head): Promise<Tree> {
    const { tree } = this;
    if (tree !== null && isSame(tree.frontier, frontier)) return tree;
    if (tree !== null && tree.frontier.size >= frontier.size) this.keys.forget();
    return readTree(tx, frontier);
  }
}

const isSame = (one: Frontier, other: Frontier): boolean =>
  one.size === other.size && one.hashes.every((hash, i) => hash.equals(other.hashes[i] as Buffer));
