import { describe, expect, test } from "vitest";
import { parseAddCheckpoint } from "./request.ts";

/** Source: C2SP tlog-witness, add-checkpoint. */
const HASHES = [
  "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=",
  "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=",
  "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=",
  "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=",
];
const NOTE = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`;
const parse = (body: string) => parseAddCheckpoint(Buffer.from(body));

test("the specification's example", () => {
  const { oldSize, proof, note } = parse(`old 20852014\n${HASHES.join("\n")}\n\n${NOTE}`);
  expect(oldSize).toBe(20_852_014n);
  expect(proof.map((hash) => hash.toString("base64"))).toEqual(HASHES);
  expect(note.toString()).toBe(NOTE);
});

test("no proof, and the longest one", () => {
  expect(parse(`old 0\n\n${NOTE}`)).toMatchObject({ oldSize: 0n, proof: [] });
  const longest = `${HASHES[0]}\n`.repeat(63);
  expect(parse(`old 18446744073709551615\n${longest}\n${NOTE}`).proof).toHaveLength(63);
});

describe("what is no request", () => {
  const [hash = ""] = HASHES;
  test.each([
    ["nothing", ""],
    ["no empty line", `old 5\n${NOTE.replace("\n\n", "\n")}`],
    ["no old size", `\n\n${NOTE}`],
    ["a proof first", `${hash}\nold 5\n\n${NOTE}`],
    ["a leading zero", `old 05\n\n${NOTE}`],
    ["two spaces", `old  5\n\n${NOTE}`],
    ["a size below zero", `old -5\n\n${NOTE}`],
    ["a size of 2^64", `old 18446744073709551616\n\n${NOTE}`],
    ["capitals", `OLD 5\n\n${NOTE}`],
    ["a carriage return", `old 5\r\n\r\n${NOTE}`],
    ["64 hashes", `old 5\n${`${hash}\n`.repeat(64)}\n${NOTE}`],
    ["a hash of 31 bytes", `old 5\n${Buffer.alloc(31).toString("base64")}\n\n${NOTE}`],
    ["a hash with bits that stand for nothing", `old 5\n${hash.replace("aw=", "ax=")}\n\n${NOTE}`],
    ["a hash with a space behind it", `old 5\n${hash} \n\n${NOTE}`],
    ["a hash without padding", `old 5\n${hash.slice(0, -1)}\n\n${NOTE}`],
  ])("%s", (_, body) => {
    expect(() => parse(body)).toThrow("VIG_AUDIT_NOTE_INVALID");
  });
});
