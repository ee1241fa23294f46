import { leafHash } from "@vigie/audit-log/tree";
import { tenantUuid } from "@vigie/service-kit/ids";
import { byteaArray, textArray, uuidArray } from "@vigie/service-kit/postgres/binary-array";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { AuditEntry } from "./entry.ts";
import type { MadeLeaf } from "./leaf-of.ts";
import type { Signer } from "./signer.ts";
import type { TileRow } from "./tree-rows.ts";

/** A leaf that has everything but its place. */
export interface SignedLeaf {
  readonly entry: Pick<AuditEntry, "tenantKey" | "eventId">;
  readonly made: MadeLeaf;
  readonly hash: Buffer;
  readonly signature: Buffer;
}

export function signLeaf(entry: AuditEntry, made: MadeLeaf, signer: Signer): SignedLeaf {
  const hash = leafHash(made.bytes);
  return { entry, made, hash, signature: signer.sign(hash) };
}

const APPEND = `
  insert into audit_leaves
    (index, tenant_id, tenant_key, event_id, leaf, leaf_hash, signature, key_id)
  select $1::bigint + place - 1, tenant_id, tenant_key, event_id, leaf, leaf_hash, signature, $2
    from unnest($3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[])
      with ordinality as given (tenant_id, tenant_key, event_id, leaf, leaf_hash, signature, place)`;

/** Gives the leaves their places, from `from` on. */
export async function insertLeaves(
  tx: Queryable,
  leaves: readonly SignedLeaf[],
  { from, keyId }: { readonly from: number; readonly keyId: string },
): Promise<void> {
  await tx.query(APPEND, [
    from,
    keyId,
    uuidArray(leaves.map(({ entry }) => tenantUuid(entry.tenantKey))),
    textArray(leaves.map(({ entry }) => entry.tenantKey)),
    textArray(leaves.map(({ entry }) => entry.eventId)),
    byteaArray(leaves.map(({ made }) => made.bytes)),
    byteaArray(leaves.map(({ hash }) => hash)),
    byteaArray(leaves.map(({ signature }) => signature)),
  ]);
  await insertAsides(tx, leaves);
}

const ASIDE = `
  insert into audit_large_payloads (tenant_id, tenant_key, event_id, ref, sealed)
  values ($1, $2, $3, $4, $5)`;

/** One by one: each is large, and there are few. */
async function insertAsides(tx: Queryable, leaves: readonly SignedLeaf[]): Promise<void> {
  for (const { entry, made } of leaves) {
    if (made.aside === null) continue;
    const { tenantKey, eventId } = entry;
    const { ref, bytes } = made.aside;
    await tx.query(ASIDE, [tenantUuid(tenantKey), tenantKey, eventId, ref, bytes]);
  }
}

const TILES = `
  insert into audit_tiles (level, index, hashes, root)
  select * from unnest($1::int[], $2::bigint[], $3::bytea[], $4::bytea[])`;

export async function insertTiles(tx: Queryable, tiles: readonly TileRow[]): Promise<void> {
  if (tiles.length === 0) return;
  await tx.query(TILES, [
    tiles.map(({ level }) => level),
    tiles.map(({ index }) => index),
    byteaArray(tiles.map(({ hashes }) => hashes)),
    byteaArray(tiles.map(({ root }) => root)),
  ]);
}
