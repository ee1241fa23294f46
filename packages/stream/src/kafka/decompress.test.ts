import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { VigError } from "@vigie/core/errors";
import { test } from "vitest";
import { decompress, UNPACKED_BYTES_MAX } from "./decompress.ts";

const AT = { topic: "id.login", partition: 3, offset: 42 };

/** A frame of one block: a zero, then a match of the rest (source: LZ4 frame and block format). */
function lz4Zeros(bytes: number): Buffer {
  const match = bytes - 1 - 4 - 15;
  const long = Buffer.concat([Buffer.alloc(Math.floor(match / 255), 255), Buffer.of(match % 255)]);
  const block = Buffer.concat([Buffer.of(0x1f, 0, 1, 0), long, Buffer.of(0)]);
  const head = Buffer.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73, 0, 0, 0, 0);
  head.writeUInt32LE(block.length, 7);
  return Buffer.concat([head, block, Buffer.alloc(4)]);
}

/** A length, a literal zero, then copies of 64 bytes at most (source: Snappy format description). */
function snappyZeros(bytes: number): Buffer {
  const last = (bytes - 1) % 64;
  const copies = Buffer.alloc(Math.floor((bytes - 1) / 64) * 3, Buffer.of((63 << 2) | 2, 1, 0));
  const end = last === 0 ? Buffer.alloc(0) : Buffer.of(((last - 1) << 2) | 2, 1, 0);
  const length = [0, 7, 14, 21].map((shift) => ((bytes >> shift) & 0x7f) | (shift < 21 ? 0x80 : 0));
  return Buffer.concat([Buffer.of(...length, 0, 0), copies, end]);
}

const codecs: Record<string, { codec: number; zeros: (bytes: number) => Buffer }> = {
  gzip: { codec: 1, zeros: (bytes) => gzipSync(Buffer.alloc(bytes)) },
  snappy: { codec: 2, zeros: snappyZeros },
  lz4: { codec: 3, zeros: lz4Zeros },
  zstd: { codec: 4, zeros: (bytes) => zstdCompressSync(Buffer.alloc(bytes)) },
};

for (const [name, { codec, zeros }] of Object.entries(codecs)) {
  test(`a batch unpacks up to the limit: ${name}`, () => {
    const unpacked = decompress(codec, zeros(UNPACKED_BYTES_MAX), AT);
    assert.ok(unpacked.equals(Buffer.alloc(UNPACKED_BYTES_MAX)));
  });

  for (const bytes of [UNPACKED_BYTES_MAX + 1, 2 * UNPACKED_BYTES_MAX]) {
    test(`a batch that unpacks to ${bytes} bytes is refused where it lies: ${name}`, () => {
      const packed = zeros(bytes);
      assert.throws(
        () => decompress(codec, packed, AT),
        (error) =>
          error instanceof VigError &&
          error.code === "VIG_UNPACKED_TOO_LARGE" &&
          error.message.includes("id.login[3] at 42 unpacks to more than 16777216 bytes"),
      );
    });
  }

  test(`bytes that were cut off anywhere are an error, not fewer records: ${name}`, () => {
    const packed = zeros(1_000);
    for (let bytes = 0; bytes < packed.length; bytes += 1) {
      assert.throws(
        () => decompress(codec, packed.subarray(0, bytes), AT),
        (error) => !(error instanceof VigError) || error.code === "VIG_INVARIANT",
        `${bytes} of ${packed.length} bytes`,
      );
    }
  });
}
