import { type Leaf, leafBytes } from "@vigie/audit-log/leaf";
import { leafHash } from "@vigie/audit-log/tree";
import { tenantUuid } from "@vigie/service-kit/ids";
import { createSigner } from "../signer.ts";
import type { VerifyRecord } from "./leaf-check.ts";
import type { Claim, LeafRow, LogSource, StoredTile } from "./log-source.ts";
import { TreeWalk } from "./tree-walk.ts";

/** What signs the records of logs in tests. */
export const SECRET = "an audit secret of tests, long enough";
const signer = createSigner(SECRET);

export const verify: VerifyRecord = (keyId, hash, signature) =>
  keyId === signer.keyId ? signer.sign(hash).equals(signature) : null;

/** A log that tests may spoil. */
export interface MemoryLog extends LogSource {
  readonly rows: LeafRow[];
  readonly stored: StoredTile[];
  readonly said: Claim[];
  size: number;
  frontier: readonly Buffer[];
}

export function sampleLeaf(number: number): Leaf {
  return {
    v: 1,
    id: `e-${number}`,
    tenant: "molam-sn",
    at: 1_767_607_200_000 + number,
    recorded_at: 1_767_607_200_500 + number,
    source: { topic: "id.audit", partition: 0, offset: number },
    emitter: "vigie.sessions.0",
    seq: number + 1,
    action: "session.revoked",
    actor: { type: "SYSTEM", id: "sessions" },
    impersonator: null,
    subject: null,
    impersonated: null,
    is_impersonation: false,
    digest: "d",
    payload: { number },
    boxes: [],
  };
}

export function rowOf(number: number, leaf: Leaf = sampleLeaf(number)): LeafRow {
  const bytes = leafBytes(leaf);
  const hash = leafHash(bytes);
  return {
    index: number,
    tenant_id: tenantUuid(leaf.tenant),
    tenant_key: leaf.tenant,
    event_id: leaf.id,
    leaf: bytes,
    leaf_hash: hash,
    signature: signer.sign(hash),
    key_id: signer.keyId,
  };
}

/** A sound log of `size` leaves, with a claim of each size in `claimed`. Pages of 100 rows. */
export function memoryLog(size: number, claimed: readonly number[] = [size]): MemoryLog {
  const rows = Array.from({ length: size }, (_, i) => rowOf(i));
  const walk = new TreeWalk();
  const stored: StoredTile[] = [];
  const said: Claim[] = [];
  const claim = (): void => {
    if (!claimed.includes(walk.size)) return;
    const where = `checkpoint of ${walk.size} leaves`;
    said.push({ size: walk.size, root: walk.root(), where, fault: null });
  };
  claim();
  for (const row of rows) {
    stored.push(...walk.append(row.leaf_hash));
    claim();
  }
  const log: MemoryLog = {
    rows,
    stored,
    said,
    size,
    frontier: walk.frontier,
    async state() {
      const levels = Map.groupBy(stored, ({ level }) => level);
      return {
        size: log.size,
        frontier: log.frontier,
        leavesBeyond: rows.filter(({ index }) => index >= log.size).length,
        tileCounts: new Map([...levels].map(([level, tiles]) => [level, tiles.length])),
        claimedSize: Math.max(0, ...said.map((each) => each.size)),
      };
    },
    async *leaves(until) {
      const wanted = rows.filter(({ index }) => index < until);
      for (let from = 0; from < wanted.length; from += 100) yield wanted.slice(from, from + 100);
    },
    async tiles(wanted) {
      return stored.filter((tile) =>
        wanted.some(({ level, index }) => level === tile.level && index === tile.index),
      );
    },
    async *claims(sizeMax) {
      yield* said.filter((each) => each.size <= sizeMax);
    },
  };
  return log;
}
