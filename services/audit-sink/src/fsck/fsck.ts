import { TILE_WIDTH } from "@vigie/audit-log/tiles";
import { HASH_BYTES } from "@vigie/audit-log/tree";
import { ClaimCheck } from "./claims.ts";
import { checkLeaf, type VerifyRecord } from "./leaf-check.ts";
import type { Finding, FindingKind, LogSource, LogState, StoredTile } from "./log-source.ts";
import { type Checked, Report } from "./report.ts";
import { TreeWalk } from "./tree-walk.ts";

export interface Verdict {
  /** Of the head. */
  readonly size: number;
  readonly checked: Readonly<Checked>;
  readonly findings: Readonly<Record<FindingKind, number>>;
}

export interface FsckOptions {
  readonly verify: VerifyRecord;
  readonly onFinding: (finding: Finding) => void;
  /** After each page of `size` leaves. */
  readonly onProgress?: (checked: Readonly<Checked>, size: number) => void;
  /** What is found elsewhere, asked for at the end. */
  readonly besides?: () => Promise<readonly Finding[]>;
}

/**
 * Recomputes the tree from its rows, and compares it with all that was said of it: tiles, frontier, and every root that
 * was ever signed. Reads each row once, in memory that does not grow with the log; the log may grow meanwhile.
 * A leaf that is not there, or was changed, stands in the tree by the hash that its tile or signature has of it, so
 * that one fault is not found again in every root behind it.
 */
export async function fsck(source: LogSource, options: FsckOptions): Promise<Verdict> {
  const state = await source.state();
  const report = new Report(options.onFinding);
  checkState(state, report);
  const walk = new TreeWalk();
  const claims = await ClaimCheck.begin(source.claims(state.size), report);
  const grow = new Growth({ source, walk, claims, report });
  await claims.compare(walk);
  for await (const page of source.leaves(state.size)) {
    for (const row of page) {
      await grow.fill(row.index);
      const { hash, faults } = checkLeaf(row, options.verify);
      report.add(...faults);
      report.checked.leaves += 1;
      await grow.append(hash);
    }
    await grow.compareTiles();
    options.onProgress?.(report.checked, state.size);
  }
  await grow.fill(state.size);
  await grow.compareTiles();
  await grow.end(state);
  report.add(...((await options.besides?.()) ?? []));
  return { size: state.size, checked: report.checked, findings: report.counts };
}

/** What the log says of itself, by itself. */
function checkState(state: LogState, report: Report): void {
  const { size, leavesBeyond, tileCounts, claimedSize } = state;
  if (claimedSize > size) {
    report.tampered(
      `leaves ${size} to ${claimedSize - 1}`,
      `the head has ${size} leaves, but a tree of ${claimedSize} was signed`,
    );
  }
  if (leavesBeyond > 0) {
    report.tampered(`leaves from ${size} on`, `${leavesBeyond} rows lie beyond the head`);
  }
  for (const [level, count] of tileCounts) {
    const full = Math.floor(size / TILE_WIDTH ** (level + 1));
    if (count > full) report.tampered(`tiles of level ${level}`, `${count}, but ${full} are full`);
  }
}

interface GrowthParts {
  readonly source: LogSource;
  readonly walk: TreeWalk;
  readonly claims: ClaimCheck;
  readonly report: Report;
}

/** The tree as it grows. Once a hash of it is known from nowhere, it grows no more. */
class Growth {
  private readonly parts: GrowthParts;
  private full: StoredTile[] = [];
  /** Index of the next leaf, also where the tree has stopped growing. */
  private next = 0;
  private lost = false;

  constructor(parts: GrowthParts) {
    this.parts = parts;
  }

  async append(hash: Buffer): Promise<void> {
    this.next += 1;
    if (this.lost) return;
    const { walk, claims } = this.parts;
    this.full.push(...walk.append(hash));
    if (claims.isDue(walk.size)) await claims.compare(walk);
  }

  /** Leaves up to `index` that have no row, by their tiles. */
  async fill(index: number): Promise<void> {
    if (this.next === index) return;
    const { report } = this.parts;
    const gone = index - this.next;
    const where = gone === 1 ? `leaf ${this.next}` : `leaves ${this.next} to ${index - 1}`;
    report.tampered(where, gone === 1 ? "its row is gone" : `${gone} rows are gone`);
    while (this.next < index) await this.fillFromTile(index);
  }

  private async fillFromTile(index: number): Promise<void> {
    const tile = Math.floor(this.next / TILE_WIDTH);
    const [stored] = this.lost ? [] : await this.parts.source.tiles([{ level: 0, index: tile }]);
    const end = Math.min(index, (tile + 1) * TILE_WIDTH);
    if (stored === undefined) {
      this.lost = true;
      this.next = end;
      return;
    }
    while (this.next < end) {
      const at = (this.next % TILE_WIDTH) * HASH_BYTES;
      await this.append(stored.hashes.subarray(at, at + HASH_BYTES));
    }
  }

  async compareTiles(): Promise<void> {
    const { source, report } = this.parts;
    const { full } = this;
    if (full.length === 0) return;
    this.full = [];
    const stored = await source.tiles(full);
    const byName = new Map(stored.map((tile) => [nameOf(tile), tile]));
    for (const tile of full) compareTile(tile, byName.get(nameOf(tile)), report);
    report.checked.tiles += full.length;
  }

  async end({ size, frontier }: LogState): Promise<void> {
    const { walk, claims, report } = this.parts;
    if (this.lost) {
      const skipped = await claims.skip();
      const why = `the tree ends before a leaf whose hash nothing tells; ${skipped} signed roots stay unchecked`;
      report.incomplete(`tree of ${size} leaves`, why);
      return;
    }
    const agrees =
      frontier.length === walk.frontier.length &&
      frontier.every((hash, i) => walk.frontier[i]?.equals(hash));
    if (!agrees) report.tampered("frontier", "it is not that of these leaves");
  }
}

const nameOf = ({ level, index }: { readonly level: number; readonly index: number }): string =>
  `tile ${level}/${index}`;

function compareTile(tile: StoredTile, stored: StoredTile | undefined, report: Report): void {
  const where = nameOf(tile);
  if (stored === undefined) {
    report.tampered(where, "its row is gone");
    return;
  }
  const at = differsAt(tile.hashes, stored.hashes);
  if (at !== null) {
    const what = tile.level === 0 ? `leaf ${tile.index * TILE_WIDTH + at}` : `hash ${at}`;
    report.tampered(where, `its hash of ${what} is not the one of these leaves`);
  } else if (!tile.root.equals(stored.root)) {
    report.tampered(where, "its root is not that of its hashes");
  }
}

/** Which hash is the first that differs; null for equal tiles. */
function differsAt(one: Buffer, other: Buffer): number | null {
  if (one.equals(other)) return null;
  const at = one.findIndex((byte, i) => byte !== other[i]);
  return Math.floor(at / HASH_BYTES);
}
