import type { Clock } from "@vigie/core/time";
import type { Database } from "@vigie/service-kit/postgres/database";
import type { SignedCheckpoint } from "./keys.ts";
import type { Place } from "./place.ts";

const NEWEST = `
  select note from audit_checkpoints where origin = $1 order by size desc, signed_at_ms desc limit 1`;
const KEEP = `
  insert into audit_checkpoints (origin, size, root, note, key_name, key_id, signed_at_ms)
  values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`;

/** Every checkpoint, for fsck and for whoever asks over HTTP. A restored database brings back older ones. */
export function databasePlace(db: Database, origin: string, clock: Clock): Place {
  return {
    name: "database",
    async newest() {
      const { rows } = await db.query<{ note: string }>(NEWEST, [origin]);
      return rows[0]?.note ?? null;
    },
    async keep({ size, root, note, key }) {
      await db.query(KEEP, [origin, Number(size), root, note, key.name, key.id, clock()]);
    },
  };
}

/** A witness's line below a checkpoint. */
export interface Cosignature {
  readonly name: string;
  /** 8 hex digits. */
  readonly keyId: string;
  /** With its newline. */
  readonly line: string;
  readonly signedAtMs: number;
}

export interface Cosignatures {
  /** Size of the newest checkpoint that this witness cosigned; null: none. */
  newestOf(key: SignedCheckpoint["key"]): Promise<bigint | null>;
  add(checkpoint: SignedCheckpoint, cosignature: Cosignature): Promise<void>;
  /** The newest note that a witness has cosigned since; null: none. */
  newestNote(sinceMs: number): Promise<string | null>;
  /** Lines below the checkpoint of this size. */
  linesOf(size: bigint): Promise<readonly string[]>;
}

const COSIGNED = `
  select max(size) as size from audit_cosignatures
   where origin = $1 and name = $2 and key_id = $3`;
const COSIGN = `
  insert into audit_cosignatures (origin, size, root, name, key_id, line, signed_at_ms)
  values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`;
const COSIGNED_NOTE = `
  select note from audit_cosignatures as witness
    join audit_checkpoints as signed using (origin, size, root)
   where origin = $1 and witness.signed_at_ms >= $2
   order by size desc limit 1`;
const LINES = `
  select line from audit_cosignatures where origin = $1 and size = $2 order by name, key_id`;

export function databaseCosignatures(db: Database, origin: string): Cosignatures {
  return {
    async newestOf({ name, id }) {
      const { rows } = await db.query<{ size: number | null }>(COSIGNED, [origin, name, id]);
      const size = rows[0]?.size ?? null;
      return size === null ? null : BigInt(size);
    },
    async add({ size, root }, { name, keyId, line, signedAtMs }) {
      await db.query(COSIGN, [origin, Number(size), root, name, keyId, line, signedAtMs]);
    },
    async newestNote(sinceMs) {
      const { rows } = await db.query<{ note: string }>(COSIGNED_NOTE, [origin, sinceMs]);
      return rows[0]?.note ?? null;
    },
    async linesOf(size) {
      const { rows } = await db.query<{ line: string }>(LINES, [origin, Number(size)]);
      return rows.map((row) => row.line);
    },
  };
}
