import { proveConsistency } from "@vigie/audit-log/proofs";
import { createFiles, createSuites } from "./testing/checking.ts";
import {
  changeLeaf,
  flipped,
  header,
  type Line,
  lineAt,
  lineOf,
  placeOf,
  recount,
  swap,
  without,
} from "./testing/lines.ts";
import { ASIDE, ERASED_FIRST, exports, FORK_AT, key, LEAVES, log, noteAt } from "./testing/logs.ts";
import { exportOf, MemoryLog, refOf, SECRET, vkeyOf } from "./testing/memory-log.ts";

const { whole, sealed, filtered, forked } = exports;
const file = createFiles();
const suite = createSuites({ key: [vkeyOf(key)], secrets: [SECRET] }, file);

/** Changes what stands open in the line of a leaf. */
const reopen = (index: number, edit: (opened: Record<string, string>) => Record<string, string>) =>
  changeLeaf(whole, index, (line) => ({
    ...line,
    opened: edit((line.opened ?? {}) as Record<string, string>),
  }));

/** What the operator has, and does not show: no leaf says why. */
const withheld = new MemoryLog();
for (let i = 0; i < 20; i += 1) withheld.add({ ref: refOf(i % 4) });
withheld.forget(refOf(2));
const withheldLines = await exportOf(withheld, { note: await withheld.checkpoint(key) });

suite("boxes", [
  {
    name: "a plaintext that was changed",
    given: reopen(311, (opened) => ({ [refOf(3)]: String(opened[refOf(3)]) })),
    is: "tampered",
    index: 311,
    why: /an opened box is not what the leaf commits to/,
  },
  {
    name: "a plaintext of which one character was changed",
    given: reopen(312, (opened) =>
      Object.fromEntries(
        Object.entries(opened).map(([ref, text]) => [ref, text.replace("192.0.2.7", "192.0.2.8")]),
      ),
    ),
    is: "tampered",
    index: 312,
  },
  {
    name: "a plaintext of a box that was never there",
    given: reopen(312, (opened) => ({ ...opened, [refOf(77)]: "{}" })),
    is: "tampered",
    index: 312,
    why: /has no box/,
  },
  {
    name: "a plaintext that is withheld",
    given: reopen(312, () => ({})),
    is: "incomplete",
    index: 312,
    why: /closed, and no leaf says/,
  },
  {
    name: "a person's that do not open, though no leaf says that the key was destroyed",
    given: withheldLines,
    is: "incomplete",
    index: 2,
  },
  {
    name: "erased, and the leaf that says so removed from all leaves",
    given: recount(without(whole, LEAVES - 1)),
    is: "tampered",
    index: LEAVES - 1,
  },
  {
    name: "erased, and the leaf that says so removed from a tenant's",
    given: recount(without(filtered, LEAVES - 1)),
    is: "incomplete",
    index: ERASED_FIRST,
  },
  {
    name: "open in an export that says it opens none",
    given: header(whole, { boxes: "sealed" }),
    is: "tampered",
    index: 0,
  },
  {
    name: "closed in an export that says it opens them",
    given: header(sealed, { boxes: "opened" }),
    is: "incomplete",
    index: 0,
  },
  {
    name: "a payload aside that was changed",
    given: changeLeaf(whole, ASIDE, (line) => ({ ...line, aside: "{}" })),
    is: "tampered",
    index: ASIDE,
  },
  {
    name: "a payload aside that is withheld",
    given: changeLeaf(whole, ASIDE, ({ aside: _, ...line }) => line),
    is: "incomplete",
    index: ASIDE,
  },
  {
    name: "a payload aside where there is none",
    given: changeLeaf(whole, ASIDE + 3, (line) => ({ ...line, aside: "{}" })),
    is: "tampered",
    index: ASIDE + 3,
  },
]);

const proofOf = (line: Line) => line.proof as string[];

suite("proofs", [
  {
    name: "changed, of a tenant's leaf",
    given: changeLeaf(filtered, 310, (line) => ({
      ...line,
      proof: proofOf(line).with(4, flipped(proofOf(line)[4])),
    })),
    is: "tampered",
    index: 310,
    why: /its proof does not lead to the root/,
  },
  {
    name: "too short",
    given: changeLeaf(filtered, 310, (line) => ({ ...line, proof: proofOf(line).slice(0, -1) })),
    is: "tampered",
    index: 310,
  },
  {
    name: "too long",
    given: changeLeaf(filtered, 310, (line) => ({
      ...line,
      proof: [...proofOf(line), proofOf(line)[0]],
    })),
    is: "tampered",
    index: 310,
  },
  {
    name: "of another leaf",
    given: changeLeaf(filtered, 310, (line) => ({
      ...line,
      proof: (JSON.parse(lineAt(filtered, 311)) as Line).proof,
    })),
    is: "tampered",
    index: 310,
  },
  {
    name: "removed from a tenant's leaf",
    given: changeLeaf(filtered, 310, ({ proof: _, ...line }) => line),
    is: "tampered",
    index: 310,
    why: /it has no proof/,
  },
  ...[0, 3, 8].map((place) => ({
    name: `changed, hash ${place} of a tile's`,
    given: changeLeaf(whole, 256, (line) => ({
      ...line,
      proof: proofOf(line).with(place, flipped(proofOf(line)[place])),
    })),
    is: "tampered" as const,
    index: 256,
  })),
  {
    name: "changed tile",
    given: changeLeaf(whole, 256, (line) => ({ ...line, tile: flipped(line.tile) })),
    is: "tampered",
    index: 256,
    why: /the tile of leaves 256 to 511 or its proof is false/,
  },
  {
    name: "a tile where none begins",
    given: changeLeaf(whole, 257, (line) => ({
      ...line,
      tile: (JSON.parse(lineAt(whole, 256)) as Line).tile,
    })),
    is: "tampered",
    index: 257,
  },
]);

const consistency = async (first: number) => {
  const proof = await proveConsistency(BigInt(first), BigInt(LEAVES), log.nodes);
  return { first, second: LEAVES, proof: proof.map((hash) => hash.toString("base64")) };
};
const shown = await consistency(FORK_AT);
const since = [file(await noteAt(FORK_AT))];

suite("a filtered export", [
  {
    name: "with a leaf that the filter does not mean",
    given: header(filtered, { filter: { tenant: "globex" } }),
    is: "tampered",
    index: 1,
    why: /the filter does not mean it/,
  },
  {
    name: "that calls itself whole",
    given: header(filtered, { filter: null }),
    is: "tampered",
    index: 0,
  },
  { name: "with no filter in it", given: header(filtered, { filter: {} }), is: "tampered" },
  { name: "with an unknown filter", given: header(filtered, { filter: { x: 1 } }), is: "tampered" },
  {
    name: "with leaves in another order",
    given: swap(filtered, 310),
    is: "tampered",
    index: 310,
  },
  {
    name: "of which a leaf was left out: nobody can tell, as the documentation says",
    given: recount(without(filtered, 310)),
    is: "erased",
  },
  {
    name: "with an older checkpoint, and no consistency proof",
    given: filtered,
    with: { since },
    is: "incomplete",
    why: /a consistency proof from 300 to 600 is needed/,
  },
  {
    name: "with an older checkpoint and its consistency proof",
    given: filtered,
    with: { since, consistency: [file(JSON.stringify(shown))] },
    is: "erased",
  },
  {
    name: "with a false consistency proof",
    given: filtered,
    with: {
      since,
      consistency: [
        file(JSON.stringify({ ...shown, proof: shown.proof.with(1, flipped(shown.proof[1])) })),
      ],
    },
    is: "tampered",
  },
  {
    name: "of a fork, with the consistency proof of the log",
    given: recount(
      header(forked, { filter: { from: 0 } }).filter((line, i) => i < 2 || line.includes("end")),
    ),
    with: {
      since: [file(await noteAt(400))],
      consistency: [file(JSON.stringify(await consistency(400)))],
    },
    is: "tampered",
  },
  {
    name: "with a consistency proof that is none",
    given: filtered,
    with: { consistency: [file("{}")] },
    is: "unreadable",
  },
]);

/** The lines of a log of its own. */
const linesOf = async (build: (log: MemoryLog) => MemoryLog) => {
  const built = build(new MemoryLog());
  return exportOf(built, { note: await built.checkpoint(key) });
};
const gap = (from: number, to: number | null) => ({ emitter: "edge.7", from, to });
const edge = { emitter: "edge.7" };
/** Longer than the log waits for what is late. */
const afterwards = { later: 600_000 };

suite("numbers of emitters", [
  {
    name: "missing, and nobody told",
    given: await linesOf((one) =>
      one
        .add(edge)
        .add(edge)
        .add({ ...edge, seq: 5 })
        .add(edge)
        .add(afterwards),
    ),
    is: "incomplete",
    index: 2,
    why: /records 3 to 4 of edge.7 are missing, and no leaf tells so/,
  },
  {
    name: "missing from the beginning",
    given: await linesOf((one) => one.add({ ...edge, seq: 2 }).add(afterwards)),
    is: "incomplete",
    index: 0,
  },
  {
    name: "missing, and a leaf tells",
    given: await linesOf((one) =>
      one
        .add(edge)
        .add({ ...edge, seq: 4 })
        .own("audit.gap_detected", gap(2, 3))
        .add(afterwards),
    ),
    is: "intact",
  },
  {
    name: "missing, and a leaf tells of fewer",
    given: await linesOf((one) =>
      one
        .add(edge)
        .add({ ...edge, seq: 4 })
        .own("audit.gap_detected", gap(2, 2))
        .add(afterwards),
    ),
    is: "incomplete",
    index: 1,
  },
  {
    name: "missing, and may still come",
    given: await linesOf((one) => one.add(edge).add({ ...edge, seq: 4 })),
    is: "intact",
  },
  {
    name: "broken off, and a leaf tells",
    given: await linesOf((one) => one.add(edge).own("audit.gap_detected", gap(2, null))),
    is: "intact",
  },
  {
    name: "late",
    given: await linesOf((one) =>
      one
        .add(edge)
        .add({ ...edge, seq: 3 })
        .add({ ...edge, seq: 2 }),
    ),
    is: "intact",
  },
  {
    name: "of other topics do not count",
    given: await linesOf((one) => one.add({ ...edge, topic: "id.session.anomaly", seq: 99 })),
    is: "intact",
  },
]);

suite("record signatures", [
  {
    name: "changed",
    given: changeLeaf(whole, 310, (line) => ({ ...line, sig: flipped(line.sig) })),
    is: "tampered",
    index: 310,
  },
  {
    name: "changed, and not judged without the secret",
    given: changeLeaf(whole, 310, (line) => ({ ...line, sig: flipped(line.sig) })),
    with: { secrets: [] },
    is: "erased",
  },
  {
    name: "of a secret that is not there",
    given: whole,
    with: { secrets: ["another secret"] },
    is: "incomplete",
    index: 0,
  },
  { name: "of a retired secret", given: whole, with: { secrets: ["new", SECRET] }, is: "erased" },
  {
    name: "of the wrong length",
    given: changeLeaf(whole, 310, (line) => ({ ...line, sig: "AAAA" })),
    with: { secrets: [] },
    is: "tampered",
    index: 310,
  },
]);

const place = placeOf(sealed, 256);
const progress = (read: number, of: number) =>
  sealed.toSpliced(place, 0, lineOf({ progress: { read, of } }));

suite("progress", [
  { name: "between two leaves", given: progress(256, LEAVES), is: "intact" },
  { name: "of another place", given: progress(257, LEAVES), is: "tampered", index: 256 },
  { name: "of another tree", given: progress(256, LEAVES + 1), is: "tampered", index: 256 },
]);
