import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { Reader, Writer } from "./bytes.ts";

const written = (write: (writer: Writer) => void): Buffer => {
  const writer = new Writer(1);
  write(writer);
  return writer.finish();
};
const reader = (bytes: Buffer): Reader => new Reader(bytes, 0, bytes.length);

/** LEB128 of an unsigned number, by integers without a limit. */
function leb128(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    const group = Number(rest & 0x7fn);
    if (rest < 0x80n) return Buffer.from([...bytes, group]);
    bytes.push(group | 0x80);
  }
}

const around = [7, 14, 21, 28, 31, 32, 35, 42, 49].flatMap((bits) => [2 ** bits - 1, 2 ** bits]);
const numbers = fc.oneof(
  fc.constantFrom(0, ...around, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
  fc.nat(300),
);

test("a number takes seven bits a byte, low ones first, and is read again", () =>
  fc.assert(
    fc.property(fc.array(numbers), (values) => {
      const bytes = written((writer) => {
        for (const value of values) writer.varint(value);
      });
      assert.deepEqual(bytes, Buffer.concat(values.map(leb128)));
      const again = reader(bytes);
      assert.deepEqual(
        values.map(() => again.varint()),
        values,
      );
      assert.equal(again.at, bytes.length);
    }),
  ));

test("a number of either sign is read again", () => {
  // Twice the number has to be a safe integer, too.
  const half = Math.floor(Number.MAX_SAFE_INTEGER / 2);
  const either = fc.integer({ min: -half, max: half });
  fc.assert(
    fc.property(either, (value) => {
      assert.equal(reader(written((writer) => writer.signed(value))).signed(), value);
    }),
  );
});

test("texts and numbers of fixed length are read again one after the other", () => {
  const texts = fc.string({ unit: "grapheme", maxLength: 300, size: "max" });
  const short = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const long = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  fc.assert(
    fc.property(texts, short, long, (text, u32, u48) => {
      const bytes = written((writer) => {
        writer.text(text);
        writer.u32(u32);
        writer.u48(u48);
        writer.text(text);
      });
      const again = reader(bytes);
      assert.deepEqual(
        [again.text(), again.u32(), again.u48(), again.text()],
        [text, u32, u48, text],
      );
    }),
  );
});

test("bytes that end early, or a number of more than eight of them, are refused", () => {
  assert.throws(() => reader(Buffer.from([0x80])).varint(), /whole/);
  assert.throws(() => reader(Buffer.alloc(9, 0x80)).varint(), /safe integer/);
  assert.throws(() => reader(Buffer.from([3, 0x61])).text(), /whole/);
});
