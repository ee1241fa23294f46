import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { type Leaf, leafBytes } from "@vigie/audit-log/leaf";
import { describe, expect, test } from "vitest";
import { verifyExport } from "./export.mjs";
import { eachLine } from "./lines.mjs";
import { parseKey } from "./note.mjs";
import { createReport, textOf } from "./report.mjs";
import { check, createFiles, createSuites } from "./testing/checking.ts";
import { changeLeaf, header, insert, type Line, type Lines, lineAt } from "./testing/lines.ts";
import { exports, key, noteAt } from "./testing/logs.ts";
import { exportOf, MemoryLog, rawExportOf, refOf, SECRET, vkeyOf } from "./testing/memory-log.ts";
import { verify } from "./verify.mjs";

const { sealed, whole } = exports;
const file = createFiles();
const trust = { key: [vkeyOf(key)], secrets: [SECRET] };
const suite = createSuites(trust, file);
const line = lineAt(whole, 310);
const inPlaceOf310 = (text: string | Buffer): Uint8Array => {
  const at = Buffer.from(whole.join("")).indexOf(line);
  const all = Buffer.from(whole.join(""));
  return Buffer.concat([
    all.subarray(0, at),
    Buffer.from(text as string),
    all.subarray(at + Buffer.byteLength(line)),
  ]);
};
const DEEP = 200_000;
/** A signature of nobody. */
const STRANGE = Buffer.alloc(68).toString("base64");
/** A proof whose base64 says the same and is spelt otherwise: the loose bits of its last character are set. */
const loose = (base64: string) => base64.replace(/.=$/, (end) => `${respelt(end[0] as string)}=`);
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const respelt = (last: string) => ALPHABET[ALPHABET.indexOf(last) + 1] as string;

suite("lines that were made to mislead", [
  { name: "no file at all", given: [""], is: "unreadable" },
  { name: "something else", given: ["a,b,c\n1,2,3\n"], is: "unreadable" },
  { name: "a line over the limit", given: ["x".repeat(9 * 2 ** 20)], is: "unreadable" },
  {
    name: "a later line over the limit",
    given: [whole[0] as string, "x".repeat(9 * 2 ** 20)],
    is: "unreadable",
  },
  { name: "another format", given: header(whole, { format: "vigie-audit/2" }), is: "unreadable" },
  { name: "a byte order mark", given: [`\ufeff${whole.join("")}`], is: "unreadable" },
  {
    name: "lines that end as in DOS",
    given: [whole.join("").replaceAll("\n", "\r\n")],
    is: "unreadable",
  },
  {
    name: "deep nesting",
    given: inPlaceOf310(`${'{"a":['.repeat(DEEP)}${"]}".repeat(DEEP)}\n`),
    is: "tampered",
    index: 310,
  },
  {
    name: "an empty line",
    given: insert(whole, 310, "\n"),
    is: "tampered",
    index: 310,
  },
  {
    name: "a member twice, the false one first",
    given: inPlaceOf310(line.replace('{"i"', `{"leaf":"{}","i"`)),
    is: "tampered",
    index: 310,
    why: /not written as JSON.stringify does/,
  },
  {
    name: "spaces between members",
    given: inPlaceOf310(line.replace('{"i"', '{ "i"')),
    is: "tampered",
    index: 310,
  },
  {
    name: "an escape that is not needed",
    given: inPlaceOf310(line.replace("revoked", "\\u0072evoked")),
    is: "tampered",
    index: 310,
  },
  {
    name: "bytes that are no UTF-8 and read as what they replace",
    given: inPlaceOf310(Buffer.from(line.replace("revoked", "\u00ffevoked"), "latin1")),
    is: "tampered",
    index: 310,
    why: /no UTF-8/,
  },
  {
    name: "half a character",
    given: inPlaceOf310(line.replace("revoked", "\\ud800evoked")),
    is: "tampered",
    index: 310,
  },
  {
    name: "a member __proto__",
    given: inPlaceOf310(line.replace('{"i"', '{"__proto__":{"polluted":1},"i"')),
    is: "tampered",
    index: 310,
    why: /__proto__/,
  },
  {
    name: "a box of __proto__",
    given: inPlaceOf310(line.replace('"opened":{', '"opened":{"__proto__":"{}",')),
    is: "tampered",
    index: 310,
    why: /no box of __proto__/,
  },
  {
    name: "a member nobody knows",
    given: changeLeaf(whole, 310, (value) => ({ ...value, note: "harmless" })),
    is: "tampered",
    index: 310,
  },
  { name: "no object", given: inPlaceOf310("[]\n"), is: "tampered", index: 310 },
  ...(["310.5", "-310", "9007199254740993", "1e400", "310.0", '"310"', "null"] as const).map(
    (i) => ({
      name: `the index ${i}`,
      given: inPlaceOf310(line.replace('"i":310', `"i":${i}`)),
      is: "tampered" as const,
      index: 310,
    }),
  ),
  {
    name: "an index far away",
    given: inPlaceOf310(line.replace('"i":310', `"i":${2 ** 53 - 1}`)),
    is: "tampered",
    index: 310,
  },
  {
    name: "a proof of loose bits",
    given: changeLeaf(whole, 590, (value) => ({
      ...value,
      proof: (value.proof as string[]).map((hash, i) => (i === 0 ? loose(hash) : hash)),
    })),
    is: "tampered",
    index: 590,
  },
  {
    name: "a proof without padding",
    given: changeLeaf(whole, 590, (value) => ({
      ...value,
      proof: (value.proof as string[]).map((hash) => hash.replace("=", "")),
    })),
    is: "tampered",
    index: 590,
  },
  ...([{}, "x", [1], new Array(65).fill("A".repeat(43))] as const).map((proof) => ({
    name: `a proof that is ${JSON.stringify(proof).slice(0, 20)}`,
    given: changeLeaf(whole, 590, (value: Line) => ({ ...value, proof })),
    is: "tampered" as const,
    index: 590,
  })),
  {
    name: "a leaf longer than 65,535 bytes",
    given: changeLeaf(whole, 310, (value) => ({ ...value, leaf: "é".repeat(40_000) })),
    is: "tampered",
    index: 310,
  },
  { name: "a size over 2^53", given: header(whole, { tree_size: 2 ** 53 }), is: "tampered" },
  {
    name: "a checkpoint with control characters",
    given: header(whole, { checkpoint: (await noteAt()).replace("\n", "\r\n") }),
    is: "tampered",
  },
  {
    name: "a checkpoint with a signature whose name has a character that is a space",
    given: header(whole, { checkpoint: `${await noteAt()}\u2014 a\u0085b ${STRANGE}\n` }),
    is: "tampered",
  },
  {
    name: "a checkpoint with a signature whose name has a character that is none",
    given: header(whole, { checkpoint: `${await noteAt()}\u2014 a\u007fb ${STRANGE}\n` }),
    is: "erased",
  },
  {
    name: "a checkpoint with a size that is not written as one",
    given: header(whole, { checkpoint: (await noteAt()).replace("600", "0600") }),
    is: "tampered",
  },
]);

test("nothing that an export holds reaches the prototype of objects", () => {
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

const own = (action: string) => (leaf: Line) => ({
  ...leaf,
  emitter: "audit-sink",
  action,
  payload: {},
});

/** Leaves that the key signed and that no writer should have written. */
const shapes: readonly (readonly [name: string, edit: (leaf: Line) => Line])[] = [
  ["another version", (leaf) => ({ ...leaf, v: 2 })],
  ["an unknown member", (leaf) => ({ ...leaf, x: 1 })],
  ["no action", ({ action: _, ...leaf }) => leaf],
  ["a person's id for a ref", (leaf) => ({ ...leaf, subject: "u-1" })],
  ["a number above 2^53", (leaf) => ({ ...leaf, at: 2 ** 60 })],
  ["a key destroyed that is none", own("subject.key_destroyed")],
  ["a gap that is none", own("audit.gap_detected")],
  ["a log before that is none", own("audit.log_continued")],
  ["a payload aside that is none", (leaf) => ({ ...leaf, payload_aside: 1 })],
  ["a box without a seal", (leaf) => ({ ...leaf, boxes: [box({ sealed: "AAAA" })] })],
  ["a box of a short commitment", (leaf) => ({ ...leaf, boxes: [box({ commitment: "AAAA" })] })],
  ["boxes out of order", (leaf) => ({ ...leaf, boxes: [box({ ref: refOf(2) }), box({})] })],
  ["two boxes of one person", (leaf) => ({ ...leaf, boxes: [box({}), box({})] })],
];

const box = (members: Line) => ({
  ref: refOf(1),
  commitment: Buffer.alloc(32).toString("base64"),
  sealed: Buffer.alloc(28).toString("base64"),
  ...members,
});

/** A signed log whose second leaf is this. */
async function signedWith(bytes: Buffer): Promise<string> {
  const one = new MemoryLog().add();
  one.push(one.leaves[0] as Leaf, bytes);
  return file(rawExportOf(one, await one.checkpoint(key)).join(""));
}

const [plain] = new MemoryLog().add().leaves;

describe("leaves that can not be read, though the log holds them", () => {
  const unreadable = { name: "", is: "unreadable", index: 1 } as const;

  test.each(shapes)("%s", async (_, edit) => {
    const bytes = leafBytes(edit(plain as unknown as Line) as unknown as Leaf);
    check(unreadable, await verify(await signedWith(bytes), { key: trust.key }));
  });

  test.each([
    ["more than 256 levels", (text: string) => text.replace('"v":1', `"v":${nested(257)}`)],
    ["20,000 levels", (text: string) => text.replace('"v":1', `"v":${nested(20_000)}`)],
    ["members in another order", (text: string) => `{"v":1,${text.slice(1).replace(',"v":1', "")}`],
    ["half a character", (text: string) => text.replace('"digest":"', '"digest":"\\ud800')],
    ["no JSON", () => "leaf"],
    ["a list", () => "[]"],
  ])("%s", async (_, edit) => {
    const bytes = Buffer.from(edit(leafBytes(plain as Leaf).toString()));
    check(unreadable, await verify(await signedWith(bytes), { key: trust.key }));
  });
});

const nested = (levels: number): string => `${"[".repeat(levels)}${"]".repeat(levels)}`;

test("a leaf that was spoilt in the database is exported as it is, and found", async () => {
  const one = new MemoryLog().add().add().add();
  const note = await one.checkpoint(key);
  for (const spoilt of [Buffer.from("{}"), Buffer.of(0xff, 0x00), Buffer.alloc(0)]) {
    one.bytes[1] = spoilt;
    const lines = await exportOf(one, { note });
    check({ name: "", is: "tampered", index: 1 }, await verify(file(lines.join("")), trust));
    await assert.rejects(exportOf(one, { note, filter: { action: "x" } }), /AUDIT_LEAF_INVALID/);
  }
});

test("members that are sorted by code units, and look like numbers, are canonical", async () => {
  const payload = { "10": 1, "9": 2, é: 3, "\u{1f600}": 4, "\ufb33": 5 };
  const one = new MemoryLog().add({ payload });
  const lines = await exportOf(one, { note: await one.checkpoint(key) });
  check({ name: "", is: "intact" }, await verify(file(lines.join("")), trust));
});

test("a file that is wrong everywhere does not fill the memory with what is wrong", async () => {
  const junk = function* () {
    yield Buffer.from(sealed[0] as string);
    const lines = Buffer.from("{}\n".repeat(10_000));
    for (let i = 0; i < 10; i += 1) yield lines;
  };
  const report = createReport();
  const keys = [parseKey(vkeyOf(key))];
  const given = { keys, witnesses: [], secrets: [], given: null, others: [], proofs: [] };
  await verifyExport(junk(), given, report);
  const { counts, problems, exit } = report.result();
  assert.equal(exit, 1);
  assert.equal(counts.tampered, 100_000);
  assert.ok(problems.length <= 300);
});

test("what names hold can not be taken for what the verifier says", async () => {
  const emitter = "x\nINTACT: all is well\u001b[2J\u202e";
  const one = new MemoryLog().add({ emitter, seq: 3 }).add({ later: 600_000 });
  const lines = await exportOf(one, { note: await one.checkpoint(key) });
  const text = textOf(await verify(file(lines.join("")), trust));
  assert.match(text, /^INCOMPLETE/);
  assert.match(text, /x\ufffdINTACT: all is well\ufffd\[2J\ufffd are missing/);
  assert.doesNotMatch(text, /^INTACT|[\p{Cf}]/mu);
  assert.ok(!text.includes("\u001b"));
});

test("that a key was destroyed, and that a record is missing, only the log itself can say", async () => {
  const one = new MemoryLog().add({ ref: refOf(1) }).forget(refOf(1));
  one.add({ action: "subject.key_destroyed", payload: { ref: refOf(1) } });
  const said = await exportOf(one, { note: await one.checkpoint(key) });
  check({ name: "", is: "incomplete", index: 0 }, await verify(file(said.join("")), trust));
});

test("a box that opens to half a character is none", async () => {
  const plain = new MemoryLog().add({ aside: "\ufffd" });
  const lines = await exportOf(plain, { note: await plain.checkpoint(key) });
  check({ name: "", is: "intact" }, await verify(file(lines.join("")), trust));
  const half = changeLeaf(lines, 0, (value) => ({ ...value, aside: "\ud800" }));
  check({ name: "", is: "tampered", index: 0 }, await verify(file(half.join("")), trust));
});

test("lines are the same however the file is cut into pieces", async () => {
  const text = exports.filtered.slice(0, 5).join("");
  for (const bytes of [1, 7, 4_096]) {
    const found: string[] = [];
    await eachLine(pieces(Buffer.from(text), bytes), (one: Buffer) => found.push(`${one}\n`));
    expect(found.join("")).toBe(text);
  }
});

function* pieces(all: Buffer, bytes: number) {
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes);
}

/** Five leaves, all of them with boxes and proofs; of the last person the key is destroyed. */
const few = new MemoryLog();
for (let i = 0; i < 4; i += 1) few.add({ ref: refOf(i) });
few.erase(refOf(3));
const fewNote = await few.checkpoint(key);
const STEP = process.env.VIGIE_TEST_FULL === undefined ? 29 : 1;

describe.each([
  ["all leaves", await exportOf(few, { note: fewNote })],
  ["a tenant's leaves", await exportOf(few, { note: fewNote, filter: { tenant: "acme" } })],
])("one bit of an export of %s", (_, lines: Lines) => {
  test("is not flipped anywhere without being found, in the line where it is", async () => {
    const all = Buffer.from(lines.join(""));
    const begins = lines.map((_, i) => Buffer.byteLength(lines.slice(0, i).join("")));
    const path = file("");
    for (let at = 0; at < all.length; at += STEP) {
      const flipped = Buffer.from(all);
      flipped[at] = (all[at] as number) ^ (1 << (at % 8));
      writeFileSync(path, flipped);
      const { verdict, first } = await verify(path, trust);
      const place = begins.findLastIndex((begin) => begin <= at);
      const told = `byte ${at}, ${JSON.stringify(flipped.subarray(at - 9, at + 9).toString())}`;
      assert.notEqual(verdict, "erased", told);
      assert.notEqual(verdict, "intact", told);
      if (place === 0 || place === lines.length - 1) continue;
      assert.ok(first !== null && first.index !== null, told);
    }
  });
});
