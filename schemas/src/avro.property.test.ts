import avro from "avsc";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compile } from "./avro.ts";

const schema = { type: "record" as const, name: "Texts", fields: ["a", "b"].map(field) };
function field(name: string) {
  return { name, type: "string" as const };
}
const ours = compile(schema as never);
const theirs = avro.Type.forSchema(schema);

// Around 64 units the length takes a second byte; é, € and 𝄞 take two, three and four.
const text = fc.string({
  unit: fc.constantFrom("a", "~", "é", "€", "𝄞"),
  maxLength: 70,
  size: "max",
});
const plain = fc.string({ unit: "grapheme-ascii", minLength: 60, maxLength: 70, size: "max" });

test("texts of any length and alphabet are written as avsc writes them, and not past the end", () => {
  const any = fc.oneof(text, plain);
  const check = (a: string, b: string, sizeBytes: number): void => {
    const [mine, its] = [Buffer.alloc(sizeBytes), Buffer.alloc(sizeBytes)];
    const end = ours.encode({ a, b }, mine);
    expect(end).toBe(theirs.encode({ a, b }, its));
    if (end >= 0) expect(mine).toEqual(its);
  };
  fc.assert(fc.property(any, any, fc.integer({ min: 0, max: 600 }), check));
});

test.each(["\x7f", "\x80", "a\x80", "\u07ff", "\ud800", "a\udc00b"])(
  "%j is written as avsc writes it",
  (a) => {
    expect(ours.toBuffer({ a, b: "" })).toEqual(theirs.toBuffer({ a, b: "" }));
  },
);

test("what is no text is refused", () => {
  for (const value of [undefined, null, 5, {}, ["a"]]) {
    expect(() => ours.toBuffer({ a: value, b: "" }), String(value)).toThrow('invalid "string"');
  }
});
