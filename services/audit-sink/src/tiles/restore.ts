import { type Leaf, parseLeaf } from "@vigie/audit-log/leaf";
import { decodeEntries, entriesPath, TILE_WIDTH, tileWidth } from "@vigie/audit-log/tiles";
import { leafHash, rootOf } from "@vigie/audit-log/tree";
import { messageOf } from "@vigie/core/errors";
import type { Clock } from "@vigie/core/time";
import type { ObjectStore } from "@vigie/service-kit/objects/store";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import type { SignedCheckpoint, TrustedKeys } from "#checkpoint/keys";
import { followSeries } from "#emitter-rows";
import { type AuditEntry, ownEntry } from "#entry";
import { refDestroyedBy } from "#erasure";
import { lockHead, writeHead } from "#head";
import { insertLeaves, insertTiles } from "#leaf-rows";
import type { Signer } from "#signer";
import { growTree, readTree, type Tree } from "#tree-rows";
import { readCheckpoint, unfit } from "./tile-files.ts";

export interface RestoreParts {
  readonly store: ObjectStore;
  readonly keys: TrustedKeys;
  readonly signer: Signer;
  readonly clock: Clock;
  /** Told after each bundle: leaves of the log by now. */
  readonly onProgress?: (leaves: bigint) => void;
}

export interface Restored {
  /** Leaves that were missing. */
  readonly added: bigint;
  readonly checkpoint: SignedCheckpoint;
}

/**
 * Appends the leaves that a database lacks of a signed tree, out of its entry bundles, in one transaction: together with
 * what the database has they must make that very tree. Keys that were destroyed meanwhile are destroyed again. What
 * stands in no leaf does not come back: keys of persons who were first seen since, and payloads that were put aside.
 * Throws: VIG_AUDIT_TILES_UNFIT if they do not make that tree, or something is missing; nothing has changed then.
 */
export async function restoreLeaves(db: Database, parts: RestoreParts): Promise<Restored> {
  const { store, keys } = parts;
  const checkpoint = await readCheckpoint(store, keys);
  if (checkpoint === null) throw unfit(store, "it has no checkpoint");
  const added = await db.transaction((tx) => restore(tx, checkpoint, parts));
  return { added, checkpoint };
}

async function restore(
  tx: Queryable,
  checkpoint: SignedCheckpoint,
  { store, signer, clock, onProgress }: RestoreParts,
): Promise<bigint> {
  const head = await lockHead(tx);
  const { size: before } = head.frontier;
  if (before > checkpoint.size) return 0n;
  let tree = await readTree(tx, head.frontier);
  let destroyed = 0;
  for await (const data of missingEntries(store, { from: before, to: checkpoint.size })) {
    const leaves = readable(store, () => data.map(parseLeaf));
    tree = await append(tx, { tree, data, leaves, signer });
    const entries = leaves.map(entryOf);
    await followSeries(tx, entries, { due: [], nowMs: clock() });
    destroyed += await destroyAgain(tx, entries);
    onProgress?.(tree.frontier.size);
  }
  if (!rootOf(tree.frontier).equals(checkpoint.root)) {
    throw unfit(store, "its leaves and those of the database do not make the tree that was signed");
  }
  await writeHead(tx, {
    ...head,
    frontier: tree.frontier,
    destroyed: head.destroyed + destroyed,
  });
  return checkpoint.size - before;
}

/** Data of leaves, a bundle at a time. */
async function* missingEntries(
  store: ObjectStore,
  { from, to }: { readonly from: bigint; readonly to: bigint },
): AsyncGenerator<readonly Buffer[]> {
  const width = BigInt(TILE_WIDTH);
  for (let index = from / width; index * width < to; index += 1n) {
    const path = entriesPath(index, tileWidth(0, index, to));
    const bundle = await store.get(path);
    if (bundle === null) throw unfit(store, `${path} is missing`);
    const skipped = index * width < from ? Number(from % width) : 0;
    yield readable(store, () => decodeEntries(bundle)).slice(skipped);
  }
}

function readable<T>(store: ObjectStore, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unfit(store, messageOf(error));
  }
}

async function append(
  tx: Queryable,
  given: {
    readonly tree: Tree;
    readonly data: readonly Buffer[];
    readonly leaves: readonly Leaf[];
    readonly signer: Signer;
  },
): Promise<Tree> {
  const { tree, data, leaves, signer } = given;
  const hashes = data.map((bytes) => leafHash(bytes));
  const rows = leaves.map(({ tenant, id }, i) => {
    const hash = hashes[i] as Buffer;
    const made = { bytes: data[i] as Buffer, aside: null };
    return { entry: { tenantKey: tenant, eventId: id }, made, hash, signature: signer.sign(hash) };
  });
  await insertLeaves(tx, rows, { from: Number(tree.frontier.size), keyId: signer.keyId });
  const grown = growTree(tree, hashes);
  await insertTiles(tx, grown.tiles);
  return grown.tree;
}

/** As far as its series and its kind go; persons are sealed. */
function entryOf(leaf: Leaf): AuditEntry {
  const { id, tenant, at, action, payload, source, emitter, seq } = leaf;
  const what = { eventId: id, tenantKey: tenant, occurredAtMs: at, action, payload };
  const own = ownEntry(what, { ...source, timestampMs: leaf.recorded_at });
  return { ...own, emitter, emitterSeq: seq };
}

const DESTROY = "delete from audit_subjects where ref = any($1::uuid[])";

/** Returns: of how many persons the log says that their keys are destroyed. */
async function destroyAgain(tx: Queryable, entries: readonly AuditEntry[]): Promise<number> {
  const refs = entries.flatMap((entry) => refDestroyedBy(entry) ?? []);
  if (refs.length > 0) await tx.query(DESTROY, [refs]);
  return refs.length;
}
