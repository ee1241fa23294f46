import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createSigner,
  formatVerifierKey,
  openNote,
  parseNote,
  parseSignatures,
  parseVerifierKey,
  signatureLine,
  signNote,
} from "./note.ts";

/** Source: C2SP signed-note v1.0.0, Example. */
const EXAMPLE = {
  key: "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
  text: "This is an example message.\n",
  line: "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
};
const example = parseVerifierKey(EXAMPLE.key);
const note = `${EXAMPLE.text}\n${EXAMPLE.line}`;

const fresh = (): KeyObject => generateKeyPairSync("ed25519").privateKey;
const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return (error as VigError).code;
  }
  return "none";
};

/** The private key of a seed of 32 bytes. Source of the wrapping: RFC 8410, 7. */
const ofSeed = (hex: string): KeyObject =>
  createPrivateKey({
    key: Buffer.from(`302e020100300506032b657004220420${hex}`, "hex"),
    format: "der",
    type: "pkcs8",
  });

describe("the specification's example", () => {
  test("opens with its key, and with no other", () => {
    const { text, verified } = openNote(note, [example]);
    expect(text).toBe(EXAMPLE.text);
    expect(verified).toEqual([{ key: example, timeS: null, line: EXAMPLE.line }]);
    const other = createSigner({ name: "example.com/foo", privateKey: fresh() }).key;
    expect(codeOf(() => openNote(note, [other]))).toBe("VIG_AUDIT_NOTE_UNTRUSTED");
    expect(codeOf(() => openNote(note, []))).toBe("VIG_AUDIT_NOTE_UNTRUSTED");
  });

  test("its key is written as it was read", () => {
    expect(formatVerifierKey(example)).toBe(EXAMPLE.key);
    expect(example).toMatchObject({ name: "example.com/foo", id: "530d903a", type: "ed25519" });
  });

  test("no bit of it can be changed", () => {
    const bytes = Buffer.from(note);
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Buffer.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        const code = codeOf(() => openNote(changed, [example]));
        expect(code).toMatch(/^VIG_AUDIT_NOTE_(INVALID|UNTRUSTED)$/);
      }),
      { numRuns: 500 },
    );
  });
});

/** Computed with a second implementation of Ed25519, after RFC 8032, 5.1; the seed is its 7.1, test 1. */
test("a note signed with a known key has the known signature", () => {
  const seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
  const signer = createSigner({ name: "example.com/behind-the-sofa", privateKey: ofSeed(seed) });
  expect(formatVerifierKey(signer.key)).toBe(
    "example.com/behind-the-sofa+f8fa5254+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
  );
  const text =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  expect(signNote(text, [signer])).toBe(
    `${text}\n— example.com/behind-the-sofa +PpSVFNUsAicB1wXCuc36HrmzCfBx1ATQpTulWd9U006OEpyCvIVj2pM8CIzKlzXWcwxIO/VAQzkCO8DZUY5tlFX6QQ=\n`,
  );
});

describe("notes", () => {
  const [one, two] = [fresh(), fresh()].map((privateKey, i) =>
    createSigner({ name: `log.example/${i}`, privateKey }),
  ) as [ReturnType<typeof createSigner>, ReturnType<typeof createSigner>];

  const line = fc.string({ unit: fc.constantFrom("a", "é", "— ", "🚀", "+", "=") });
  test("any text is signed by several and opened with any of their keys", () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (lines) => {
        const text = `${lines.join("\n")}\n`;
        const signed = signNote(text, [one, two]);
        expect(openNote(signed, [two.key]).verified.map(({ key }) => key)).toEqual([two.key]);
        expect(openNote(Buffer.from(signed), [one.key, two.key])).toMatchObject({
          text,
          verified: [{ key: one.key }, { key: two.key }],
        });
      }),
      { numRuns: 50 },
    );
  });

  test("text may hold empty lines: the last one ends it", () => {
    const text = "first\n\n\nlast\n";
    expect(openNote(signNote(text, [one]), [one.key]).text).toBe(text);
  });

  test("a wrong signature under a trusted name and id spoils the note, also beside a good one", () => {
    const forged = signatureLine(one, "another text\n");
    const spoiled = signNote("text\n", [two, one]) + forged;
    expect(codeOf(() => openNote(spoiled, [one.key, two.key]))).toBe("VIG_AUDIT_NOTE_UNTRUSTED");
    expect(openNote(spoiled, [two.key]).verified).toHaveLength(1);
  });

  test("the name alone, or the id alone, is another key", () => {
    const namesake = createSigner({ name: one.key.name, privateKey: fresh() });
    const signed = signNote("text\n", [namesake, two]);
    expect(openNote(signed, [one.key, two.key]).verified.map(({ key }) => key)).toEqual([two.key]);
  });

  test("16 signatures of unknown keys, of any length, do no harm", () => {
    const foreign = `— pq.example/w ${Buffer.alloc(3_000, 5).toString("base64")}\n`.repeat(16);
    const signed = signNote("text\n", [one]) + foreign;
    expect(openNote(signed, [one.key]).verified).toHaveLength(1);
  });
});

describe("what is no note", () => {
  const { text, line } = EXAMPLE;
  // The last digit before "=" has four bits that stand for nothing.
  const malleable = line.replace("QM=", "QN=");
  test.each([
    ["empty", ""],
    ["no signature", text],
    ["an empty line and no signature", `${text}\n`],
    ["no newline at its end", note.slice(0, -1)],
    ["no empty line", text + line],
    ["a line that is no signature", `${note}Unexpected line.\n`],
    ["an empty line behind it", `${note}\n`],
    ["a hyphen for the dash", note.replace("— ", "- ")],
    ["a name with a space", note.replace("example.com/foo", "example com")],
    ["a name with a no-break space", note.replace("example.com/foo", "example\u00a0com")],
    ["a name with a plus", note.replace("example.com/foo", "example+com")],
    ["no name", note.replace("example.com/foo ", "")],
    ["base64 with bits that stand for nothing", `${text}\n${malleable}`],
    ["base64 without its padding", note.replace("QM=", "QM")],
    ["base64 with a space behind it", note.replace("QM=\n", "QM= \n")],
    ["base64url", `${text}\n— example.com/foo ${"-_".repeat(34)}\n`],
    ["a signature of an id alone", `${text}\n— example.com/foo Uw2QOg==\n`],
    ["a carriage return", note.replace(".\n", ".\r\n")],
    ["a NUL", `\u0000${note}`],
    ["a lone surrogate", `\ud800${note}`],
    ["a NUL in a name", note.replace("example.com/foo", "example\u0000com")],
    ["a lone surrogate in a name", note.replace("example.com/foo", "example\ud800com")],
    ["too many signatures", `${text}\n${line.repeat(65)}`],
    ["too long", `${"x".repeat(256 * 1_024)}\n\n${line}`],
  ])("%s", (_, broken) => {
    expect(malleable).not.toBe(line);
    expect(codeOf(() => parseNote(broken))).toBe("VIG_AUDIT_NOTE_INVALID");
  });

  test("bytes that are no UTF-8", () => {
    const bytes = Buffer.concat([Buffer.of(0xff), Buffer.from(note)]);
    expect(codeOf(() => parseNote(bytes))).toBe("VIG_AUDIT_NOTE_INVALID");
  });

  test("lines of signatures are read by themselves as well", () => {
    expect(parseSignatures(line)).toMatchObject([{ name: "example.com/foo", id: "530d903a" }]);
    expect(codeOf(() => parseSignatures(""))).toBe("VIG_AUDIT_NOTE_INVALID");
    expect(codeOf(() => parseSignatures(line.trim()))).toBe("VIG_AUDIT_NOTE_INVALID");
  });
});

describe("what is no key", () => {
  test.each([
    ["no plus", "example.com/foo"],
    ["two parts", "example.com/foo+530d903a"],
    ["no name", EXAMPLE.key.replace("example.com/foo", "")],
    ["a name with a space", EXAMPLE.key.replace("example.com", "example com")],
    ["the id of another name", EXAMPLE.key.replace("foo", "bar")],
    ["an id of 7 digits", EXAMPLE.key.replace("530d903a", "530d903")],
    ["an id in capitals", EXAMPLE.key.replace("530d903a", "530D903A")],
    ["an unknown type", EXAMPLE.key.replace("+Aeky", "+Beky")],
    ["a key cut off", EXAMPLE.key.slice(0, -4)],
    ["a newline behind it", `${EXAMPLE.key}\n`],
    ["nothing", ""],
  ])("%s", (_, text) => {
    expect(codeOf(() => parseVerifierKey(text))).toBe("VIG_AUDIT_NOTE_INVALID");
  });

  test("a signer takes Ed25519 keys and names without spaces", () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey;
    expect(() => createSigner({ name: "log", privateKey: rsa })).toThrow(VigError);
    expect(() => createSigner({ name: "a log", privateKey: fresh() })).toThrow(VigError);
  });

  test("a text that no note can have is not signed", () => {
    const signer = createSigner({ name: "log", privateKey: fresh() });
    for (const text of ["no newline", "", "a\tb\n", "\ud800\n"]) {
      expect(codeOf(() => signNote(text, [signer]))).toBe("VIG_INVARIANT");
    }
  });
});
