import { type Leaf, parseLeaf } from "@vigie/audit-log/leaf";
import { proveInclusion, type ReadNodes } from "@vigie/audit-log/proofs";
import { TILE_WIDTH } from "@vigie/audit-log/tiles";
import { gathered } from "./gathered.ts";
import { isAll, type LeafFilter, passes } from "./leaf-filter.ts";
import type { OpenedLeaf } from "./subjects.ts";

/** Source: docs/audit-format.md, An export. */
export const EXPORT_FORMAT = "vigie-audit/1";

/** A leaf as the log keeps it. */
export interface StoredLeaf {
  readonly index: number;
  /** Its data. */
  readonly leaf: Buffer;
  /** HMAC-SHA-256 of the leaf hash. */
  readonly signature: Buffer;
  readonly keyId: string;
}

/** A tree that was signed. */
export interface SignedTree {
  readonly origin: string;
  readonly size: number;
  /** The checkpoint, a signed note. */
  readonly note: string;
}

export interface LeafRange {
  /** As in tokens; null: of all. */
  readonly tenant: string | null;
  readonly from: number;
  /** Exclusive. */
  readonly until: number;
  readonly limit: number;
  /** Leaves that it keeps out may be left out. */
  readonly filter?: LeafFilter;
}

/** Where an export comes from. Every call is short: between two of them nothing is held open. */
export interface ExportSource {
  /** By rising index. */
  leaves(range: LeafRange): Promise<readonly StoredLeaf[]>;
  readonly nodes: ReadNodes;
  /** One for each leaf. */
  opened(leaves: readonly Leaf[]): Promise<readonly OpenedLeaf[]>;
}

export interface ExportWanted {
  readonly tree: SignedTree;
  readonly filter: LeafFilter;
  readonly boxes: "opened" | "sealed";
}

/** As many as a tile has; 16 MiB at most, some 300 KiB as a rule. */
const LEAVES_AT_ONCE = TILE_WIDTH;
/** Indexes that one read of a filtered export looks at: a moment's work, however few pass. */
const INDEXES_AT_ONCE = 1_024 * LEAVES_AT_ONCE;
/** So many indexes on, a line tells how far the export is. */
export const PROGRESS_EVERY = 16 * LEAVES_AT_ONCE;

/**
 * An export as NDJSON, in pieces of whole lines. Nothing is read before it is asked for, so whoever reads slowly is
 * waited for. What ends without its `end` line is incomplete, whatever the reason.
 * Throws: what the source throws.
 */
export async function* exportLines(
  source: ExportSource,
  wanted: ExportWanted,
): AsyncGenerator<string> {
  const { tree, filter } = wanted;
  yield line({
    format: EXPORT_FORMAT,
    origin: tree.origin,
    tree_size: tree.size,
    checkpoint: tree.note,
    boxes: wanted.boxes,
    filter: isAll(filter) ? null : filter,
  });
  let written = 0;
  let toldAt = 0;
  for (let from = 0; from < tree.size; ) {
    const range = rangeFrom(from, wanted);
    const found = await source.leaves(range);
    const lines = await linesOf(source, wanted, found);
    if (lines.length > 0) yield lines.join("");
    const isLast = found.length < range.limit;
    from = isLast ? range.until : (found.at(-1)?.index ?? from) + 1;
    written += lines.length;
    if (from - toldAt < PROGRESS_EVERY || from === tree.size) continue;
    yield line({ progress: { read: from, of: tree.size } });
    toldAt = from;
  }
  yield line({ end: true, leaves: written });
}

/** Of a whole log always a tile, also where rows are missing: a verifier says which. */
function rangeFrom(from: number, { tree, filter }: ExportWanted): LeafRange {
  const tileEnd = Math.min(tree.size, from - (from % TILE_WIDTH) + TILE_WIDTH);
  const until = isAll(filter) ? tileEnd : Math.min(tree.size, from + INDEXES_AT_ONCE);
  return { tenant: filter.tenant ?? null, from, until, limit: LEAVES_AT_ONCE, filter };
}

async function linesOf(
  source: ExportSource,
  wanted: ExportWanted,
  found: readonly StoredLeaf[],
): Promise<readonly string[]> {
  const parsed = found.map((stored) => ({ stored, leaf: readLeaf(stored, wanted.filter) }));
  const given = parsed.filter(({ leaf }) => leaf === null || passes(leaf, wanted.filter));
  const leaves = given.flatMap(({ leaf }) => leaf ?? []);
  const contents = wanted.boxes === "opened" ? await source.opened(leaves) : [];
  const opened = new Map(leaves.map((leaf, i) => [leaf, contents[i]]));
  const nodes = gathered(source.nodes);
  const proven = await Promise.all(
    given.map(({ stored }) => evidenceOf(stored.index, wanted, nodes)),
  );
  return given.map(({ stored, leaf }, i) =>
    line({
      i: stored.index,
      leaf: stored.leaf.toString(),
      sig: stored.signature.toString("base64"),
      key_id: stored.keyId,
      ...openedOf(leaf === null ? undefined : opened.get(leaf)),
      ...proven[i],
    }),
  );
}

/**
 * Null: it is none, and goes into a whole export as it is: whoever verifies that is told which one it was.
 * Throws: VIG_AUDIT_LEAF_INVALID where nobody can say whether the filter means it.
 */
function readLeaf({ leaf }: StoredLeaf, filter: LeafFilter): Leaf | null {
  try {
    return parseLeaf(leaf);
  } catch (error) {
    if (isAll(filter)) return null;
    throw error;
  }
}

function openedOf(opened: OpenedLeaf | undefined) {
  const { boxes = {}, aside = null } = opened ?? {};
  return {
    ...(Object.keys(boxes).length > 0 && { opened: boxes }),
    ...(aside !== null && { aside }),
  };
}

/**
 * Of some leaves, each is proven by itself. Of all leaves the root is reckoned; that a fault can be told to a leaf,
 * full tiles are proven by their first leaf, and the leaves behind them one by one.
 */
async function evidenceOf(index: number, { tree, filter }: ExportWanted, read: ReadNodes) {
  const inTile = index % TILE_WIDTH;
  const isInFullTile = index - inTile + TILE_WIDTH <= tree.size;
  if (isAll(filter) && isInFullTile && inTile > 0) return {};
  const [proof, tile] = await Promise.all([
    proveInclusion(BigInt(index), BigInt(tree.size), read),
    isAll(filter) && isInFullTile ? tileFrom(index, read) : null,
  ]);
  return {
    proof: proof.map((hash) => hash.toString("base64")),
    ...(tile !== null && { tile: tile.toString("base64") }),
  };
}

async function tileFrom(index: number, read: ReadNodes): Promise<Buffer> {
  const ids = Array.from({ length: TILE_WIDTH }, (_, i) => ({
    level: 0,
    index: BigInt(index + i),
  }));
  return Buffer.concat(await read(ids));
}

const line = (value: object): string => `${JSON.stringify(value)}\n`;
