import { createHash, createHmac, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  append,
  type ChainColumns,
  createSigner,
  EMPTY_HEAD,
  entryHash,
  faultOf,
  type Head,
  type SignedColumns,
} from "./chain.ts";
import { entryOfAudit } from "./entry.ts";
import { rowOf } from "./rows.ts";
import { auditEvent, SECRET, sealing, signers } from "./testing.ts";

type Row = SignedColumns & ChainColumns;

function chainOf(count: number): Row[] {
  let head: Head = EMPTY_HEAD;
  return Array.from({ length: count }, (_, i) => {
    const entry = entryOfAudit(auditEvent(i), { topic: "id.audit", partition: 0, offset: i });
    const link = append({ index: i + 1, ...rowOf(entry, "d", sealing) }, head, sealing.signer);
    head = link.head;
    return link.chained;
  });
}

/** Index of the first row that does not follow, or null. */
function firstBad(rows: readonly Row[]): number | null {
  let head: Head = EMPTY_HEAD;
  for (const row of rows) {
    if (faultOf(row, head, signers) !== null) return head.index + 1;
    head = { index: row.index, entryHash: row.entry_hash, signature: row.signature };
  }
  return null;
}

test("AUD-02: the signature is the one that the description gives, computed by hand", () => {
  const [row] = chainOf(1) as [Row];
  const { payload, previous_hash, entry_hash, signature, key_id, ...columns } = row;
  const payload_sha256 = createHash("sha256").update(payload).digest("hex");
  const members = Object.entries({ ...columns, payload_sha256 }).sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  const bytes = JSON.stringify(Object.fromEntries(members));
  const zeros = "0".repeat(64);
  const hash = createHash("sha256").update(`vigie.audit.1\n${zeros}${bytes}`).digest("hex");
  const key = Buffer.from(hkdfSync("sha256", SECRET, "vigie", "audit.sign", 32));
  const signed = createHmac("sha256", key).update(`1\n${hash}\n${zeros}`).digest("hex");
  expect([previous_hash, entry_hash, signature]).toEqual([zeros, hash, signed]);
  expect(key_id).toMatch(/^[0-9a-f]{16}$/);
});

test("a chain as it was written is sound", () => {
  expect(firstBad(chainOf(20))).toBeNull();
});

test("a change of any column of any row is found at that row", () => {
  const rows = chainOf(5);
  const names = Object.keys(rows[0] as Row) as (keyof Row)[];
  fc.assert(
    fc.property(fc.nat(4), fc.constantFrom(...names), (at, name) => {
      const row = rows[at] as Row;
      const before = row[name];
      const changed = typeof before === "number" ? before + 1 : `${before}x`;
      const tampered = { ...row, [name]: typeof before === "boolean" ? !before : changed };
      expect(firstBad(rows.with(at, tampered))).toBe(at + 1);
    }),
    { numRuns: 300 },
  );
});

test("a row that is left out, repeated, moved or put in between is found", () => {
  const rows = chainOf(4) as [Row, Row, Row, Row];
  const [one, two, three, four] = rows;
  expect(firstBad([one, three, four])).toBe(2);
  expect(firstBad([two, three, four])).toBe(1);
  expect(firstBad([one, one, two])).toBe(2);
  expect(firstBad([one, three, two, four])).toBe(2);
  expect(firstBad([one, { ...three, index: 2 }, four])).toBe(2);
});

test("whoever lacks the secret cannot continue or rewrite the chain, hashes made anew included", () => {
  const [one, two] = chainOf(2) as [Row, Row];
  const forged = { ...two, action: "session.kept" };
  const { previous_hash, entry_hash: _, signature, key_id, ...columns } = forged;
  const entry_hash = entryHash(columns, previous_hash);
  const stranger = createSigner("another secret, as long as ours is");
  const guess = stranger.sign(2, entry_hash, one.signature);
  expect(firstBad([one, { ...forged, entry_hash }])).toBe(2);
  expect(firstBad([one, { ...forged, entry_hash, signature: guess }])).toBe(2);
  expect(firstBad([one, { ...forged, entry_hash, signature: guess, key_id: stranger.keyId }])).toBe(
    2,
  );
  expect(signature).not.toBe(guess);
  expect(key_id).toBe(sealing.signer.keyId);
});
