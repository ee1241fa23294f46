import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatCheckpoint } from "@vigie/audit-log/checkpoint";
import { signNote } from "@vigie/audit-log/note";
import { describe, onTestFinished, test } from "vitest";
import { createErasures, createRoom, createSeries } from "./evidence.mjs";
import { verifyExport } from "./export.mjs";
import { parseKey } from "./note.mjs";
import { createReport, textOf } from "./report.mjs";
import { check, createFiles, createSuites } from "./testing/checking.ts";
import { header, recount, without } from "./testing/lines.ts";
import { exports, key, LEAVES, log, noteAt, witness } from "./testing/logs.ts";
import { exportOf, MemoryLog, ORIGIN, refOf, vkeyOf, writeTiles } from "./testing/memory-log.ts";
import { verify } from "./verify.mjs";

/** What is right line by line and is meant to be taken for more than it is. */

const { forked, sealed, whole } = exports;
const file = createFiles();
const trust = { key: [vkeyOf(key)] };
const suite = createSuites(trust, file);
const cosigned = { witness: [vkeyOf(witness)] };
const plain = await log.checkpoint(key);
const uncosigned = header(sealed, { checkpoint: plain });
const [at200, at600] = await Promise.all([noteAt(200), noteAt()]);

/** The log's checkpoint with a cosignature of any time. */
function cosignedAt(seconds: bigint): string {
  const text = plain.slice(0, plain.lastIndexOf("\n\n") + 1);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(seconds);
  const signed = Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
  const id = Buffer.from(witness.key.id, "hex");
  const bytes = Buffer.concat([id, time, sign(null, signed, witness.privateKey)]);
  return `${plain}\u2014 ${witness.key.name} ${bytes.toString("base64")}\n`;
}

suite("a cosignature", [
  {
    name: "of the beginning only, where the log has forked behind it",
    given: forked,
    with: { ...cosigned, checkpoint: file(at200) },
    is: "incomplete",
    why: /witness.example.net has not cosigned it/,
  },
  {
    name: "of the same tree, below a checkpoint from elsewhere",
    given: uncosigned,
    with: { ...cosigned, checkpoint: file(at600) },
    is: "intact",
  },
  {
    name: "of some time",
    given: header(sealed, { checkpoint: cosignedAt(1n) }),
    with: cosigned,
    is: "intact",
  },
  {
    name: "of no time",
    given: header(sealed, { checkpoint: cosignedAt(0n) }),
    with: cosigned,
    is: "incomplete",
    why: /witness.example.net has not cosigned it/,
  },
  {
    name: "of a time that there is not",
    given: header(sealed, { checkpoint: cosignedAt(2n ** 63n) }),
    with: cosigned,
    is: "tampered",
  },
]);

/** A whole export of which one leaf was left out, and that calls the rest chosen. */
const fewer = header(recount(without(whole, 310)), { filter: { from: 0 } });

suite("an export of chosen leaves", [
  { name: "where all are expected", given: fewer, with: { whole: true }, is: "incomplete" },
  { name: "where they are not", given: fewer, is: "erased" },
  {
    name: "that holds all, where they are expected",
    given: whole,
    with: { whole: true },
    is: "erased",
  },
]);

test("of chosen leaves nothing is said to be there but these, and by what they were chosen", async () => {
  const text = textOf(await verify(file(fewer.join("")), trust));
  assert.doesNotMatch(text, /nothing was/);
  assert.match(text, /left out, a filtered export can not prove/);
  assert.match(text, /chosen by \{"from":0\}/);
  assert.match(textOf(await verify(file(sealed.join("")), trust)), /all boxes are closed/);
});

test("AUD-07: a box that opens though the log says that its key was destroyed", async () => {
  const kept = new MemoryLog().add({ ref: refOf(1) }).add({ ref: refOf(2) });
  kept.own("subject.key_destroyed", { ref: refOf(2) });
  const lines = await exportOf(kept, { note: await kept.checkpoint(key) });
  const found = { name: "", is: "tampered", index: 1, why: /is open, and a leaf says/ } as const;
  check(found, await verify(file(lines.join("")), trust));
});

test("the first bad leaf is the first one, in whatever order the bad ones are found", async () => {
  const one = new MemoryLog().add({ emitter: "a" }).add({ emitter: "b", seq: 5 });
  for (let i = 0; i < 130; i += 1) one.add({ emitter: "a", seq: 2 * i + 3 });
  one.add({ emitter: "c", later: 600_000 });
  const lines = await exportOf(one, { note: await one.checkpoint(key) });
  check({ name: "", is: "incomplete", index: 1 }, await verify(file(lines.join("")), trust));
});

suite("what stands behind the end", [
  { name: "half a line", given: [...sealed, '{"i":600,'], is: "tampered", index: LEAVES },
  { name: "no text", given: [...sealed, "\0\0\0"], is: "tampered", index: LEAVES },
]);

const noLeaves = formatCheckpoint({ origin: ORIGIN, size: 0n, root: Buffer.alloc(32, 7) });
const elsewhere = new MemoryLog();
elsewhere.own("audit.log_continued", { origin: "audit-3.example.org", after: plain }).add();

suite("a checkpoint", [
  {
    name: "of no leaves with the root of some",
    given: sealed,
    with: { since: [file(signNote(noLeaves, [key]))] },
    is: "tampered",
  },
  {
    name: "of a log whose first leaf says that it is another one",
    given: await exportOf(elsewhere, { note: await elsewhere.checkpoint(key) }),
    is: "tampered",
    index: 0,
    why: /it is followed by audit-3.example.org/,
  },
]);

describe("a folder of tiles in which a file holds more than its name says", () => {
  test.each([
    ["a leaf behind the 256 of a bundle", "tile/entries/000", Buffer.from("\0\x05hello")],
    ["bytes behind the leaves of a partial bundle", "tile/entries/002.p/88", Buffer.of(1)],
    ["a hash behind the 256 of a tile", "tile/0/001", Buffer.alloc(32)],
    ["a hash behind those of a partial tile", "tile/1/000.p/2", Buffer.alloc(32)],
  ])("%s", async (_, path, bytes) => {
    const folder = mkdtempSync(join(tmpdir(), "vigie-audit-tiles-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    await writeTiles(log, folder, plain);
    check({ name: "", is: "intact" }, await verify(folder, trust));
    appendFileSync(join(folder, path), bytes);
    const found = { name: "", is: "tampered", why: new RegExp(path) } as const;
    check(found, await verify(folder, trust));
  });
});

test("of names no more are kept than there is room for, and that is told once", () => {
  const report = createReport();
  const room = createRoom(report, 1_000);
  const erasures = createErasures(report, room);
  const series = createSeries(report, room);
  const source = { topic: "id.audit", partition: 0, offset: 0 };
  const rest = { seq: 1, action: "x", recorded_at: 0, payload: undefined };
  for (let i = 0; i < 1_000; i += 1) {
    erasures.closed(refOf(i), i);
    erasures.opened(refOf(i), i);
    series.read(i, { source, emitter: `e-${i}`, ...rest });
  }
  erasures.finish(true);
  series.finish();
  const { verdict, first, counts } = report.result();
  assert.deepEqual([verdict, first?.index, counts.unreadable], ["unreadable", 1, 1]);
  assert.ok(counts.incomplete < 3);
  assert.deepEqual(Object.entries(report.facts).at(-1), ["emitters", 1]);
});

test("what is no export is not read to an end that it may not have", async () => {
  let read = 0;
  const endless = function* () {
    for (;;) {
      read += 1;
      assert.ok(read < 100, "it stops");
      yield Buffer.from("no export\n");
    }
  };
  const report = createReport();
  const keys = [parseKey(vkeyOf(key))];
  const none = { witnesses: [], secrets: [], given: null, others: [], proofs: [] };
  await verifyExport(endless(), { keys, ...none, isWhole: false }, report);
  assert.equal(report.result().verdict, "unreadable");
});
