import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import type { TopicPartitionOffset } from "./types.ts";

// Source: Kafka record batch attributes, bits 0-2.
const GZIP = 1;
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;

/**
 * What a batch may unpack to. A broker bounds it as it is packed only (message.max.bytes), and zeros pack 32,000 to 1
 * (zstd; gzip 1,000, lz4 255). Producers bound it before they pack it, to 1 MiB by default: Java's max.request.size,
 * librdkafka's batch.size. 16 times that leaves room for one that was told otherwise.
 */
export const UNPACKED_BYTES_MAX = 16 * 1_024 * 1_024;

/** Thrown by the codecs, so that the position is told in one place. */
class TooLarge extends Error {}

/**
 * The records of a compressed batch.
 * Throws: VIG_COMPRESSION_UNSUPPORTED, VIG_UNPACKED_TOO_LARGE, an Error for bytes that are not what they claim.
 */
export function decompress(codec: number, packed: Buffer, at: TopicPartitionOffset): Buffer {
  try {
    return unpack(codec, packed, at);
  } catch (error) {
    const tooLarge =
      error instanceof TooLarge || (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    if (!tooLarge) throw error;
    throw new VigError("VIG_UNPACKED_TOO_LARGE", { ...at, limitBytes: UNPACKED_BYTES_MAX });
  }
}

function unpack(codec: number, packed: Buffer, at: TopicPartitionOffset): Buffer {
  const bound = { maxOutputLength: UNPACKED_BYTES_MAX };
  if (codec === GZIP) return gunzipSync(packed, bound);
  if (codec === ZSTD) return zstdDecompressSync(packed, bound);
  if (codec === LZ4) return unpackLz4(packed);
  if (codec === SNAPPY) return unpackSnappy(packed);
  throw new VigError("VIG_COMPRESSION_UNSUPPORTED", { codec, ...at });
}

/** Grows as it is written, to UNPACKED_BYTES_MAX; back references reach all that was written before. */
class Output {
  private bytes: Buffer;
  private length = 0;

  constructor(expected: number) {
    this.bytes = Buffer.allocUnsafe(Math.min(Math.max(64, expected), UNPACKED_BYTES_MAX));
  }

  append(source: Buffer, start: number, end: number): void {
    assert(start <= end && end <= source.length, "compressed bytes are complete");
    this.reserve(end - start);
    source.copy(this.bytes, this.length, start, end);
    this.length += end - start;
  }

  /** Copies what lies `back` bytes behind the end; may overlap what it writes, then the pattern repeats. */
  repeat(back: number, count: number): void {
    assert(back > 0 && back <= this.length, "a back reference stays within the output");
    this.reserve(count);
    const { bytes } = this;
    let to = this.length;
    for (let from = to - back; to < this.length + count; from += 1, to += 1) {
      bytes[to] = bytes[from] as number;
    }
    this.length = to;
  }

  get size(): number {
    return this.length;
  }

  done(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  private reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    if (needed > UNPACKED_BYTES_MAX) throw new TooLarge();
    const doubled = Math.min(this.bytes.length * 2, UNPACKED_BYTES_MAX);
    const grown = Buffer.allocUnsafe(Math.max(doubled, needed));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }
}

const LZ4_MAGIC = 0x184d2204;
const LZ4_STORED = 0x80000000;
const LZ4_MATCH_MIN = 4;

/** Source: LZ4 frame format 1.6; Kafka writes frames (KIP-57). */
function unpackLz4(packed: Buffer): Buffer {
  assert(packed.length >= 7 && packed.readUInt32LE(0) === LZ4_MAGIC, "an LZ4 frame has its magic");
  const flags = packed[4] as number;
  const blockChecksum = (flags & 0x10) !== 0;
  const hasSize = (flags & 0x08) !== 0;
  const hasDictionary = (flags & 0x01) !== 0;
  let at = 6 + (hasSize ? 8 : 0) + (hasDictionary ? 4 : 0) + 1;
  const output = new Output(packed.length * 4);
  for (;;) {
    assert(at + 4 <= packed.length, "an LZ4 frame has an end mark");
    const head = packed.readUInt32LE(at);
    at += 4;
    if (head === 0) return output.done();
    const size = (head & ~LZ4_STORED) >>> 0;
    if ((head & LZ4_STORED) !== 0) output.append(packed, at, at + size);
    else unpackLz4Block(packed, at, at + size, output);
    at += size + (blockChecksum ? 4 : 0);
  }
}

/** Source: LZ4 block format. */
function unpackLz4Block(packed: Buffer, start: number, end: number, output: Output): void {
  assert(end <= packed.length, "compressed bytes are complete");
  let at = start;
  const longLength = (nibble: number): number => {
    let length = nibble;
    if (nibble === 15) {
      let byte: number;
      do {
        byte = packed[at++] as number;
        length += byte;
      } while (byte === 255);
    }
    return length;
  };
  while (at < end) {
    const token = packed[at++] as number;
    const literals = longLength(token >> 4);
    output.append(packed, at, at + literals);
    at += literals;
    // The last sequence of a block has literals only.
    if (at >= end) return;
    const back = packed.readUInt16LE(at);
    at += 2;
    output.repeat(back, longLength(token & 0x0f) + LZ4_MATCH_MIN);
  }
}

/** Source: snappy-java's SnappyOutputStream, which Kafka's Java client writes: magic, two versions, then chunks. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER = 16;

function unpackSnappy(packed: Buffer): Buffer {
  const framed =
    packed.length >= XERIAL_HEADER && packed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC);
  const output = new Output(packed.length * 4);
  if (!framed) {
    unpackSnappyBlock(packed, output);
    return output.done();
  }
  for (let at = XERIAL_HEADER; at < packed.length; ) {
    const size = packed.readInt32BE(at);
    at += 4;
    assert(size >= 0 && at + size <= packed.length, "compressed bytes are complete");
    unpackSnappyBlock(packed.subarray(at, at + size), output);
    at += size;
  }
  return output.done();
}

/** Source: Snappy format description. */
function unpackSnappyBlock(block: Buffer, output: Output): void {
  let at = 0;
  let expected = output.size;
  for (let scale = 1, byte = 0x80; byte >= 0x80; scale *= 128) {
    assert(at < block.length, "compressed bytes are complete");
    byte = block[at++] as number;
    expected += (byte & 0x7f) * scale;
  }
  while (at < block.length) {
    const tag = block[at++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      let length = tag >> 2;
      if (length >= 60) {
        const bytes = length - 59;
        length = block.readUIntLE(at, bytes);
        at += bytes;
      }
      output.append(block, at, at + length + 1);
      at += length + 1;
    } else if (kind === 1) {
      output.repeat(((tag & 0xe0) << 3) | (block[at++] as number), ((tag >> 2) & 7) + 4);
    } else {
      const bytes = kind === 2 ? 2 : 4;
      output.repeat(block.readUIntLE(at, bytes), (tag >> 2) + 1);
      at += bytes;
    }
  }
  assert(output.size === expected, "compressed bytes are complete");
}
