/** What fsck reads of a log. Sizes and indexes are safe integers, as PostgreSQL holds them. */
export interface LogSource {
  /** What the log says of itself, all of one moment. Read first: the log may grow meanwhile. */
  state(): Promise<LogState>;
  /** Rows below `until` by rising index, a page at a time. */
  leaves(until: number): AsyncIterable<readonly LeafRow[]>;
  /** Those of the wanted full tiles that are stored, in any order. */
  tiles(wanted: readonly TilePlace[]): Promise<readonly StoredTile[]>;
  /** What was said of trees of at most `sizeMax` leaves, by rising size. */
  claims(sizeMax: number): AsyncIterable<Claim>;
}

export interface LogState {
  /** Of the head. */
  readonly size: number;
  readonly frontier: readonly Buffer[];
  /** Rows that are there at or past `size`. */
  readonly leavesBeyond: number;
  /** Tiles that are there by level; a level without any may be absent. */
  readonly tileCounts: ReadonlyMap<number, number>;
  /** The largest tree that was claimed; 0 if none was. */
  readonly claimedSize: number;
}

/** A row of audit_leaves. */
export interface LeafRow {
  readonly index: number;
  readonly tenant_id: string;
  readonly tenant_key: string;
  readonly event_id: string;
  readonly leaf: Buffer;
  readonly leaf_hash: Buffer;
  readonly signature: Buffer;
  readonly key_id: string;
}

export interface TilePlace {
  readonly level: number;
  readonly index: number;
}

export interface StoredTile extends TilePlace {
  /** 256 hashes. */
  readonly hashes: Buffer;
  readonly root: Buffer;
}

/** Somebody's word that the tree of `size` leaves had this root. */
export interface Claim {
  readonly size: number;
  readonly root: Buffer;
  /** Whose word, and where it stands. */
  readonly where: string;
  /** What is wrong with the word itself: a signature, a column that does not agree with the note. */
  readonly fault: Finding | null;
}

/**
 * As scripts/audit-verify tells them apart. tampered: it is not what was written, or is there no more. unreadable:
 * nobody can say, since a key is not known or a form not understood. incomplete: less is proven than could be.
 */
export type FindingKind = "tampered" | "unreadable" | "incomplete";

export interface Finding {
  readonly kind: FindingKind;
  /** leaf 17, tile 0/3, checkpoint of 1234 leaves, ... */
  readonly where: string;
  readonly why: string;
}
