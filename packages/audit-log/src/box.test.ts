import { createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BoxFields, boxAad, boxKeyOf, openBox, sealBox } from "./box.ts";

const secret = Buffer.alloc(32, 1);
const key = boxKeyOf(secret);
const aad = boxAad({ tenant: "molam-sn", eventId: "e-1", ref: "r-1" });
const fields = { id: "u-1", ip: "41.82.0.17", payload: { reason: "admin" } };

test("AUD: what is sealed opens, with the plaintext that its commitment is to", () => {
  const box = sealBox(key, fields, aad);
  const { fields: opened, plaintext } = openBox(key, box, aad);
  expect(opened).toEqual(fields);
  expect(createHash("sha256").update(plaintext).digest("base64")).toBe(box.commitment);
  expect(JSON.parse(plaintext)).toEqual({ fields, salt: expect.any(String) });
});

test.each([
  ["small", fields],
  ["about as large as the shared buffer takes", { text: "€".repeat(21_780) }],
  ["larger", { text: "€".repeat(21_800) }],
  ["much larger", { text: "é".repeat(1_048_576) }],
  ["small again", fields],
])("a box is what its description says, made by other means: %s", (_, fields) => {
  const { sealed } = sealBox(key, fields, aad);
  const hmac = (text: string) => createHmac("sha256", secret).update(text).digest();
  const bytes = Buffer.from(sealed, "base64");
  const derived = hmac(`molam-sn|e-1|r-1\n${JSON.stringify(fields)}`);
  expect(bytes.subarray(0, 12)).toEqual(derived.subarray(16, 28));
  const cipherKey = hmac("vigie audit box cipher key");
  const decipher = createDecipheriv("aes-256-gcm", cipherKey, bytes.subarray(0, 12));
  decipher.setAAD(Buffer.from(aad)).setAuthTag(bytes.subarray(12, 28));
  const plaintext = `${decipher.update(bytes.subarray(28), undefined, "utf8")}${decipher.final("utf8")}`;
  const salt = derived.toString("base64", 0, 16);
  expect(plaintext).toBe(JSON.stringify({ fields, salt }));
});

const anyFields = fc.dictionary(
  fc.string({ unit: "grapheme" }),
  fc.jsonValue({ stringUnit: "grapheme" }),
) as fc.Arbitrary<BoxFields>;

test("any fields come back as they were, and the same ones give the same bytes", () =>
  fc.assert(
    fc.property(anyFields, fc.uint8Array({ minLength: 32, maxLength: 32 }), (given, bytes) => {
      const box = sealBox(boxKeyOf(bytes), given, aad);
      // JSON knows no -0 and no prototype.
      const wanted: unknown = JSON.parse(JSON.stringify(given));
      expect(openBox(boxKeyOf(bytes), box, aad).fields).toEqual(wanted);
      expect(sealBox(boxKeyOf(bytes), given, aad)).toEqual(box);
    }),
  ));

describe("no two boxes share an iv", () => {
  const ivOf = (sealed: string): string => sealed.slice(0, 16);
  const base = sealBox(key, fields, aad);
  test.each([
    ["another content", sealBox(key, { ...fields, id: "u-2" }, aad)],
    ["another place", sealBox(key, fields, aad.replace("e-1", "e-2"))],
    ["another subject", sealBox(boxKeyOf(Buffer.alloc(32, 2)), fields, aad)],
  ])("%s", (_, box) => {
    expect(ivOf(box.sealed)).not.toBe(ivOf(base.sealed));
    expect(box.commitment).not.toBe(base.commitment);
  });
});

describe("a box does not open", () => {
  const box = sealBox(key, fields, aad);
  const changed = (at: number): string => {
    const bytes = Buffer.from(box.sealed, "base64");
    bytes[at] = (bytes[at] as number) ^ 1;
    return bytes.toString("base64");
  };
  test.each([
    ["under another key", boxKeyOf(randomBytes(32)), box, aad],
    ["in another leaf", key, box, aad.replace("e-1", "e-2")],
    ["with a changed iv", key, { ...box, sealed: changed(0) }, aad],
    ["with a changed tag", key, { ...box, sealed: changed(12) }, aad],
    ["with a changed content", key, { ...box, sealed: changed(28) }, aad],
    ["with another commitment", key, { ...box, commitment: "x" }, aad],
    ["that is cut off", key, { ...box, sealed: box.sealed.slice(0, 36) }, aad],
    ["that is empty", key, { ...box, sealed: "" }, aad],
  ])("%s", (_, withKey, given, at) => {
    expect(() => openBox(withKey, given, at)).toThrow("VIG_CIPHERTEXT_INVALID");
  });
});

test.each([0, 16, 31, 33, 64])("a secret of %i bytes is refused", (bytes) => {
  expect(() => boxKeyOf(Buffer.alloc(bytes))).toThrow("VIG_INVARIANT");
});

test("the commitment to a guessable name cannot be tried out: it is salted under the subject's key", () => {
  const one = sealBox(boxKeyOf(Buffer.alloc(32, 3)), { id: "u-1" }, aad);
  const other = sealBox(boxKeyOf(Buffer.alloc(32, 4)), { id: "u-1" }, aad);
  expect(one.commitment).not.toBe(other.commitment);
});
