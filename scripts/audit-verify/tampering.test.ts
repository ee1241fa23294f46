import { createFiles, createSuites } from "./testing/checking.ts";
import {
  bare,
  changeLeaf,
  edited,
  header,
  insert,
  type Line,
  lineAt,
  lineOf,
  placeOf,
  recount,
  renumber,
  swap,
  without,
} from "./testing/lines.ts";
import { exports, fork, key, LEAVES, log, noteAt, witness } from "./testing/logs.ts";
import { exportOf, MemoryLog, ORIGIN, SECRET, signerOf, vkeyOf } from "./testing/memory-log.ts";

const { whole, sealed, filtered, forked, replayed } = exports;
const file = createFiles();
const suite = createSuites({ key: [vkeyOf(key)], secrets: [SECRET] }, file);
const cosigned = { witness: [vkeyOf(witness)] };
const [at200, at400, at600] = await Promise.all([noteAt(200), noteAt(400), noteAt()]);

suite("what is as it was written", [
  { name: "all leaves, boxes opened", given: whole, is: "erased" },
  { name: "all leaves, boxes sealed", given: sealed, is: "intact" },
  { name: "a tenant's leaves", given: filtered, is: "erased" },
  { name: "all leaves without tiles and proofs", given: bare(whole), is: "erased" },
  { name: "with its witness", given: sealed, with: cosigned, is: "intact" },
  {
    name: "with older checkpoints of the same log",
    given: sealed,
    with: { since: [file(at400), file(at200)], checkpoint: file(at600) },
    is: "intact",
  },
  {
    name: "with a retired key besides the one that signed",
    given: sealed,
    with: { key: [vkeyOf(signerOf(ORIGIN)), vkeyOf(key)] },
    is: "intact",
  },
]);

suite("rows of a whole export", [
  {
    name: "deleted",
    given: without(whole, 310),
    is: "tampered",
    index: 310,
    why: /leaf 310 is missing/,
  },
  {
    name: "deleted, and the end fits",
    given: recount(without(whole, 310)),
    is: "tampered",
    index: 310,
  },
  {
    name: "deleted, and those behind it renumbered",
    given: recount(renumber(without(whole, 310), 311, -1)),
    is: "tampered",
    index: 310,
    why: /not the leaf that the log holds/,
  },
  { name: "the first one deleted", given: recount(without(whole, 0)), is: "tampered", index: 0 },
  { name: "swapped", given: swap(whole, 310), is: "tampered", index: 310 },
  {
    name: "swapped, and renumbered",
    given: recount(renumber(renumber(renumber(swap(whole, 310), 311, 1), 310, 1), 312, -1)),
    is: "tampered",
    index: 310,
  },
  {
    name: "inserted, and those behind it renumbered",
    given: recount(
      insert(renumber(whole, 310, 1), 311, lineOf(edited(JSON.parse(lineAt(whole, 310)) as Line))),
    ),
    is: "tampered",
    index: 310,
  },
  {
    name: "duplicated",
    given: insert(whole, 311, lineAt(whole, 310)),
    is: "tampered",
    index: 311,
    why: /leaf 310 stands where it is due/,
  },
  { name: "changed", given: changeLeaf(whole, 310, edited), is: "tampered", index: 310 },
  {
    name: "changed behind the last tile",
    given: changeLeaf(whole, 590, edited),
    is: "tampered",
    index: 590,
  },
  {
    name: "changed, without tiles: where can not be told",
    given: bare(changeLeaf(whole, 310, edited)),
    with: { secrets: [] },
    is: "tampered",
    why: /do not give the root/,
  },
  {
    name: "changed, without tiles, with the secret of the record signatures",
    given: bare(changeLeaf(whole, 310, edited)),
    is: "tampered",
    index: 310,
    why: /record signature is false/,
  },
  {
    name: "a row behind the end",
    given: [...whole, lineAt(whole, 310)],
    is: "tampered",
    index: LEAVES,
    why: /behind the end/,
  },
]);

const upTo = placeOf(whole, 500);

suite("the end of an export", [
  {
    name: "cut off, with an end that says it is whole",
    given: recount([...whole.slice(0, upTo), whole.at(-1) as string]),
    is: "tampered",
    index: 500,
    why: /leaves 500 to 599 are missing/,
  },
  {
    name: "cut off, with the end of before",
    given: [...whole.slice(0, upTo), whole.at(-1) as string],
    is: "tampered",
    index: 500,
  },
  { name: "cut off", given: whole.slice(0, upTo), is: "incomplete", index: 500, why: /broke off/ },
  {
    name: "cut off within a line",
    given: [...whole.slice(0, upTo), lineAt(whole, 500).slice(0, 99)],
    is: "incomplete",
    index: 500,
    why: /in the middle of a line/,
  },
  { name: "cut off before the end line", given: whole.slice(0, -1), is: "incomplete" },
  { name: "cut off behind the first line", given: whole.slice(0, 1), is: "incomplete", index: 0 },
  { name: "of a filtered one cut off", given: filtered.slice(0, 99), is: "incomplete" },
  {
    name: "of a filtered one does not fit",
    given: without(filtered, 310),
    is: "tampered",
    why: /its end says/,
  },
  {
    name: "without its newline",
    given: sealed.with(-1, sealed.at(-1)?.trim() as string),
    is: "intact",
  },
]);

const another = signerOf(ORIGIN);
const stranger = signerOf("elsewhere.example");
const elsewhere = await log.checkpoint(stranger, [], 400);

suite("checkpoints", [
  {
    name: "signed again with another key",
    given: header(whole, { checkpoint: await log.checkpoint(another) }),
    is: "tampered",
    why: /not signed by the key of the log/,
  },
  {
    name: "with a false signature of the key",
    given: header(whole, {
      checkpoint: at400.replace(/^[\s\S]*\n\n/, `${await log.checkpointText()}\n`),
    }),
    is: "tampered",
    why: /signature of audit.example.org is false/,
  },
  {
    name: "replaced by an older one",
    given: header(whole, { checkpoint: at400 }),
    is: "tampered",
    why: /tree_size is not that of its checkpoint/,
  },
  {
    name: "replaced by an older one, and the size fits",
    given: header(whole, { checkpoint: at400, tree_size: 400 }),
    is: "tampered",
    index: 0,
  },
  {
    name: "of a changed log, by the key itself",
    given: header(bare(forked), { checkpoint: at600 }),
    is: "tampered",
    why: /do not give the root/,
  },
  {
    name: "of another origin",
    given: header(whole, { checkpoint: at600, origin: "elsewhere.example" }),
    is: "tampered",
  },
  {
    name: "that is no note",
    given: header(whole, { checkpoint: "none" }),
    is: "tampered",
  },
  {
    name: "a database of before, seen against a newer checkpoint that was there before",
    given: replayed,
    with: { since: [file(at600)] },
    is: "tampered",
    why: /the log was set back/,
  },
  {
    name: "a database of before, seen against a newer checkpoint",
    given: replayed,
    with: { checkpoint: file(at600) },
    is: "incomplete",
    why: /it has 600 leaves, and these end at 400/,
  },
  {
    name: "an older one that nobody trusted signed",
    given: sealed,
    with: { since: [file(await log.checkpoint(another, [], 400))] },
    is: "tampered",
  },
  {
    name: "an older one that is no note",
    given: sealed,
    with: { since: [file("none")] },
    is: "unreadable",
  },
  {
    name: "an older one that is not there",
    given: sealed,
    with: { since: ["/none"] },
    is: "unreadable",
  },
]);

suite("forks", [
  {
    name: "seen against an older checkpoint of the other branch",
    given: forked,
    with: { since: [file(at400)] },
    is: "tampered",
    why: /rewritten or forked/,
  },
  {
    name: "not seen against a checkpoint from before the fork",
    given: forked,
    with: { since: [file(at200)] },
    is: "erased",
  },
  {
    name: "seen against a checkpoint of the same size",
    given: forked,
    with: { checkpoint: file(at600) },
    is: "tampered",
  },
  {
    name: "not cosigned by the witness",
    given: forked,
    with: cosigned,
    is: "incomplete",
    why: /witness.example.net has not cosigned it/,
  },
  {
    name: "with the cosignature of the other branch",
    given: header(forked, {
      checkpoint: `${await fork.checkpoint(key)}${at600.slice(at600.lastIndexOf("\u2014"))}`,
    }),
    with: cosigned,
    is: "tampered",
    why: /signature of witness.example.net is false/,
  },
  {
    name: "with what the witness cosigned of the other branch",
    given: forked,
    with: { ...cosigned, checkpoint: file(at600) },
    is: "tampered",
  },
  {
    name: "cosigned by somebody else under the witness's name",
    given: header(sealed, {
      checkpoint: await log.checkpoint(key, [signerOf("witness.example.net", "cosignature")]),
    }),
    with: cosigned,
    is: "incomplete",
  },
  {
    name: "a checkpoint of another log",
    given: sealed,
    with: { key: [vkeyOf(key), vkeyOf(stranger)], since: [file(elsewhere)] },
    is: "tampered",
    why: /of another log/,
  },
]);

const successor = signerOf("audit-2.example.org");
const both = { key: [vkeyOf(successor), vkeyOf(key)] };
/** The log goes on under another name, behind a checkpoint. */
async function continued(after: string) {
  const next = new MemoryLog();
  next.own("audit.log_continued", { origin: successor.key.name, after }).add().add();
  return exportOf(next, { note: await next.checkpoint(successor) });
}
const after600 = await continued(at600);
const after400 = await continued(at400);

suite("a log that goes on under another name", [
  {
    name: "with the last checkpoint of the one before",
    given: after600,
    with: { ...both, since: [file(at600)] },
    is: "intact",
  },
  {
    name: "with an earlier one, which that log's own export is to be compared with",
    given: after600,
    with: { ...both, since: [file(at400)] },
    is: "incomplete",
    why: /is to be compared with an export of audit.example.org/,
  },
  {
    name: "behind an end that leaves out what was signed later",
    given: after400,
    with: { ...both, since: [file(at600)] },
    is: "tampered",
    index: 0,
    why: /goes on from another end/,
  },
  {
    name: "behind the end of a fork",
    given: await continued(await fork.checkpoint(key)),
    with: { ...both, since: [file(at600)] },
    is: "tampered",
    index: 0,
  },
  {
    name: "behind a checkpoint that the one before has not signed",
    given: await continued(await log.checkpoint(another)),
    with: both,
    is: "tampered",
    index: 0,
    why: /has not signed its checkpoint/,
  },
  {
    name: "without saying so",
    given: await exportOf(log, { note: await log.checkpoint(successor) }),
    with: { ...both, since: [file(at600)] },
    is: "tampered",
    why: /of another log/,
  },
]);
