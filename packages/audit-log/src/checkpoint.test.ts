import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  cosign,
  formatCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  verifyCosignature,
} from "./checkpoint.ts";
import {
  createSigner,
  formatVerifierKey,
  openNote,
  signatureLine,
  signNote,
  verifySignature,
} from "./note.ts";
import { EMPTY_ROOT } from "./tree.ts";

/** Source: C2SP tlog-checkpoint v1.0.0. */
const TEXT =
  "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const ROOT = Buffer.from("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "base64");

const keyOf = (name: string, type?: "cosignature") => {
  const { privateKey } = generateKeyPairSync("ed25519");
  return createSigner({ name, privateKey, ...(type === undefined ? {} : { type }) });
};
const log = keyOf("example.com/behind-the-sofa");
const witness = keyOf("witness.example.com/w1", "cosignature");

test("the specification's example is read and written", () => {
  const checkpoint = { origin: "example.com/behind-the-sofa", size: 20_852_163n, root: ROOT };
  expect(parseCheckpoint(TEXT)).toEqual(checkpoint);
  expect(formatCheckpoint(checkpoint)).toBe(TEXT);
});

test.each([0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n])("a tree of %i leaves", (size) => {
  const checkpoint = { origin: "a log", size, root: EMPTY_ROOT };
  expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint);
});

test("extension lines are allowed and left out", () => {
  expect(parseCheckpoint(`${TEXT}extension\n`).size).toBe(20_852_163n);
});

describe("what is no checkpoint", () => {
  test.each([
    ["two lines", "origin\n1\n"],
    ["no newline at its end", TEXT.slice(0, -1)],
    ["no origin", TEXT.replace("example.com/behind-the-sofa", "")],
    ["an empty extension line", `${TEXT}\n`],
    ["no size", TEXT.replace("20852163", "")],
    ["a leading zero", TEXT.replace("20852163", "020852163")],
    ["a sign", TEXT.replace("20852163", "+20852163")],
    ["a fraction", TEXT.replace("20852163", "1.5")],
    ["hex", TEXT.replace("20852163", "0x10")],
    ["a size of 2^64", TEXT.replace("20852163", "18446744073709551616")],
    ["a size with a space", TEXT.replace("20852163", "20852163 ")],
    ["a root of 31 bytes", TEXT.replace(/\n[^\n]*=\n/, `\n${"A".repeat(42)}==\n`)],
    ["bits of the root that stand for nothing", TEXT.replace("2I=", "2J=")],
    ["a root without padding", TEXT.replace("2I=", "2I")],
  ])("%s", (_, text) => {
    expect(() => parseCheckpoint(text)).toThrow("VIG_AUDIT_NOTE_INVALID");
  });

  test.each([
    ["an origin of two lines", { origin: "a\nb", size: 1n, root: ROOT }],
    ["no origin", { origin: "", size: 1n, root: ROOT }],
    ["a negative size", { origin: "a", size: -1n, root: ROOT }],
    ["a short root", { origin: "a", size: 1n, root: ROOT.subarray(1) }],
  ])("none is written with %s", (_, checkpoint) => {
    expect(() => formatCheckpoint(checkpoint)).toThrow("VIG_INVARIANT");
  });
});

describe("opening", () => {
  const trusted = { origin: "example.com/behind-the-sofa", keys: [log.key] };

  test("gives the tree head that a trusted key signed", () => {
    const opened = openCheckpoint(signNote(TEXT, [log]), trusted);
    expect(opened).toMatchObject({ size: 20_852_163n, root: ROOT, text: TEXT });
    expect(opened.verified).toMatchObject([{ key: log.key, timeS: null }]);
  });

  test("refuses the checkpoint of another log, though signed with the same key", () => {
    const other = signNote(TEXT.replace("sofa", "door"), [log]);
    expect(() => openCheckpoint(other, trusted)).toThrow("VIG_AUDIT_NOTE_INVALID");
  });

  test("refuses one that only a stranger signed", () => {
    const signed = signNote(TEXT, [keyOf("example.com/behind-the-sofa")]);
    expect(() => openCheckpoint(signed, trusted)).toThrow("VIG_AUDIT_NOTE_UNTRUSTED");
  });
});

describe("cosignatures", () => {
  /** Computed with a second implementation of Ed25519; seed: RFC 8032, 7.1, test 1; text: C2SP tlog-cosignature. */
  test("a known key gives the known cosignature", () => {
    const seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const key = Buffer.from(`302e020100300506032b657004220420${seed}`, "hex");
    const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
    const known = createSigner({ name: "witness.example.com/w1", privateKey, type: "cosignature" });
    expect(formatVerifierKey(known.key)).toBe(
      "witness.example.com/w1+7e6f4aaa+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
    );
    expect(cosign(TEXT, known, 1_679_315_147n)).toBe(
      "— witness.example.com/w1 fm9KqgAAAABkGFDL+TPmh4BYuAjsYRoqMJCWb/gWJaeRF/kmm5tlCr9sJ57DLErur7K0yDXc2ArN+TIuotuB/HbuL3AJsp3bv/aNCQ==\n",
    );
  });

  test("stand below the note as any signature, and say when they were made", () => {
    const note = signNote(TEXT, [log]) + cosign(TEXT, witness, 1_679_315_147n);
    expect(openNote(note, [log.key, witness.key]).verified).toMatchObject([
      { key: log.key, timeS: null },
      { key: witness.key, timeS: 1_679_315_147n },
    ]);
  });

  test("are found among what a witness answers", () => {
    const line = cosign(TEXT, witness, 12n);
    const foreign = cosign(TEXT, keyOf("witness.example.com/w2", "cosignature"), 12n);
    expect(verifyCosignature(TEXT, foreign + line, witness.key)).toEqual({ line, timeS: 12n });
  });

  test.each([
    ["of another text", cosign(TEXT.replace("1", "2"), witness, 12n)],
    ["of another key", cosign(TEXT, keyOf("witness.example.com/w1", "cosignature"), 12n)],
    ["of the same key under another name", cosign(TEXT, renamed(), 12n)],
    ["of no time", signatureLine(witness, TEXT, 0n)],
    ["cut off", cosign(TEXT, witness, 12n).slice(0, -1)],
    ["with another time", changedTime(cosign(TEXT, witness, 12n))],
    ["no line at all", "no cosignature\n"],
    ["nothing", ""],
  ])("do not pass if %s", (_, lines) => {
    expect(verifyCosignature(TEXT, lines, witness.key)).toBeNull();
  });

  test("are made of checkpoints only, by a witness's key, and at some time", () => {
    expect(() => cosign("no checkpoint\n", witness, 1n)).toThrow("VIG_AUDIT_NOTE_INVALID");
    expect(() => cosign(TEXT, log, 1n)).toThrow("VIG_INVARIANT");
    expect(() => cosign(TEXT, witness, 0n)).toThrow("VIG_INVARIANT");
    expect(() => cosign(TEXT, witness, 2n ** 63n)).toThrow("VIG_INVARIANT");
  });

  test("a log's signature does not pass for a cosignature of the same key", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const asLog = createSigner({ name: "both", privateKey });
    const asWitness = createSigner({ name: "both", privateKey, type: "cosignature" });
    expect(asLog.key.id).not.toBe(asWitness.key.id);
    const [, line = ""] = signNote(TEXT, [asLog]).split("\n\n");
    expect(verifyCosignature(TEXT, line, asWitness.key)).toBeNull();
  });
});

function renamed() {
  const { privateKey } = witness;
  return createSigner({ name: "witness.example.com/w2", privateKey, type: "cosignature" });
}

test("a signature is looked for under its key's name and id alone", () => {
  const [line] = openNote(cosigned(), [renamed().key]).signatures;
  expect(line && verifySignature(TEXT, line, renamed().key)).toMatchObject({ timeS: 12n });
  expect(line && verifySignature(TEXT, { ...line, name: "other" }, renamed().key)).toBeNull();
  expect(line && verifySignature(TEXT, { ...line, id: "00000000" }, renamed().key)).toBeNull();
});

const cosigned = (): string => `${TEXT}\n${cosign(TEXT, renamed(), 12n)}`;

/** The same line with one bit of its time changed. */
function changedTime(line: string): string {
  const [dash, name, encoded = ""] = line.trim().split(" ");
  const bytes = Buffer.from(encoded, "base64");
  bytes[11] = (bytes[11] as number) ^ 1;
  return `${dash} ${name} ${bytes.toString("base64")}\n`;
}
