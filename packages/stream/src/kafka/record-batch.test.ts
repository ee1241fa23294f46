import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { VigError } from "@vigie/core/errors";
import fc from "fast-check";
import { test } from "vitest";
import { UNPACKED_BYTES_MAX } from "./decompress.ts";
import { toChunk } from "./protocol.ts";
import { type BatchIdentity, encodeBatch, messageBytes } from "./record-batch.ts";
import { javaBatches } from "./testing/java-batches.ts";
import type { Compression, FetchedChunk, OutgoingMessage } from "./types.ts";

const load = createRequire(import.meta.url);
const LibraryDecoder = load("kafkajs/src/protocol/decoder") as new (bytes: Buffer) => unknown;
const libraryDecode = load("kafkajs/src/protocol/recordBatch/v0/decoder") as (
  decoder: unknown,
) => Promise<{ records: LibraryRecord[]; producerId: string; inTransaction: boolean }>;
interface LibraryRecord {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, Buffer>;
}

const NOBODY: BatchIdentity = {
  producerId: -1,
  producerEpoch: -1,
  baseSequence: -1,
  transactional: false,
};
const NOW_MS = 1_767_607_200_000;

function chunkOf(recordSet: Buffer, fetchOffset = 0): FetchedChunk {
  return toChunk(
    {
      topic: "t",
      partition: 3,
      errorCode: 0,
      highWatermark: 1_000,
      lastStableOffset: 1_000,
      logStartOffset: 0,
      aborted: [],
      recordSet,
    },
    fetchOffset,
  );
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const messages = fc.array(
  fc.record({
    partition: fc.constant(3),
    key: fc.oneof(fc.constant(null), bytes, fc.string({ maxLength: 40 })),
    value: fc.oneof(fc.constant(null), bytes),
    headers: fc.dictionary(fc.string({ maxLength: 12 }), bytes, { maxKeys: 3 }),
    timestampMs: fc.integer({ min: NOW_MS - 86_400_000, max: NOW_MS + 86_400_000 }),
  }),
  { minLength: 1, maxLength: 40 },
) as fc.Arbitrary<OutgoingMessage[]>;

const toBuffer = (key: Buffer | string | null): Buffer | null =>
  typeof key === "string" ? Buffer.from(key) : key;

test("what is encoded is decoded alike, compressed or not", () => {
  fc.assert(
    fc.property(messages, fc.constantFrom<Compression>("none", "gzip"), (sent, compression) => {
      const chunk = chunkOf(encodeBatch(sent, NOBODY, { nowMs: NOW_MS, compression }));
      assert.equal(chunk.nextOffset, sent.length);
      assert.deepEqual(
        chunk.records.map(({ key, value, offset, timestampMs, headers }) => ({
          key,
          value,
          offset,
          timestampMs,
          headers: headers.map(({ name, value: text }) => [name, text]),
        })),
        sent.map(({ key, value, timestampMs, headers }, offset) => ({
          key: toBuffer(key),
          value,
          offset,
          timestampMs,
          headers: Object.entries(headers ?? {}),
        })),
      );
    }),
  );
});

test("kafkajs decodes our batches as we do", async () => {
  await fc.assert(
    fc.asyncProperty(messages, async (sent) => {
      const identity = { ...NOBODY, producerId: 4_294_967_299, transactional: true };
      const batch = encodeBatch(sent, identity, { nowMs: NOW_MS });
      const theirs = await libraryDecode(new LibraryDecoder(batch));
      const ours = chunkOf(batch).records;
      assert.equal(theirs.producerId, "4294967299");
      assert.equal(theirs.inTransaction, true);
      assert.deepEqual(
        theirs.records.map(({ offset, timestamp, key, value }) => [offset, timestamp, key, value]),
        ours.map((o) => [String(o.offset), String(o.timestampMs), o.key, o.value]),
      );
    }),
    { numRuns: 30 },
  );
});

for (const [codec, base64] of Object.entries(javaBatches)) {
  test(`a batch of Kafka's Java client is read: ${codec}`, () => {
    const { records, nextOffset } = chunkOf(Buffer.from(base64, "base64"), 100);
    assert.equal(nextOffset, 140);
    records.forEach((record, i) => {
      assert.equal(record.offset, 100 + i);
      assert.equal(record.timestampMs, 1_700_000_000_000 + i);
      assert.equal(record.key?.toString(), `acme|user-${i}`);
      const n = record.value === null ? null : JSON.parse(record.value.toString()).n;
      assert.equal(n, i % 7 === 6 ? null : i);
    });
    assert.equal(records.length, 40);
  });
}

test("a codec that nobody knows is named", () => {
  const batch = Buffer.from(javaBatches.gzip as string, "base64");
  batch.writeInt16BE(7, 21);
  assert.throws(
    () => chunkOf(batch, 100),
    (error) =>
      error instanceof VigError &&
      error.code === "VIG_COMPRESSION_UNSUPPORTED" &&
      error.message.includes("t[3] at 100"),
  );
});

test("what lies before a batch that cannot be read is handed over first, and nothing of itself", () => {
  const good = encodeBatch([{ partition: 3, key: "a", value: null }], NOBODY, { nowMs: NOW_MS });
  const two = ["b", "c"].map((key) => ({ partition: 3, key, value: null }));
  const broken = encodeBatch(two, NOBODY, { nowMs: NOW_MS });
  broken.writeInt32BE(1, 4);
  // The second record says that it has more headers than there are bytes.
  broken[broken.length - 1] = 0x7e;
  const first = chunkOf(Buffer.concat([good, broken]));
  assert.deepEqual([first.records.length, first.nextOffset, first.bytes], [1, 1, good.length]);
  assert.throws(() => chunkOf(broken, first.nextOffset), /VIG_INVARIANT.*headers/);
});

test("a batch that says it holds more records than it has bytes for is not read", () => {
  const batch = encodeBatch([{ partition: 3, key: "k", value: null }], NOBODY, { nowMs: NOW_MS });
  batch.writeInt32BE(2_000_000_000, 57);
  assert.throws(() => chunkOf(batch), /VIG_INVARIANT.*as many records as it says/);
});

test("batches that unpack to much are read a few at a time, none twice and none left out", () => {
  const value = Buffer.alloc(UNPACKED_BYTES_MAX * 0.4);
  const message = { partition: 3, key: "k", value };
  const packed = encodeBatch([message], NOBODY, { nowMs: NOW_MS, compression: "gzip" });
  const batches = [0, 1, 2, 3].map((offset) => {
    const batch = Buffer.from(packed);
    batch.writeInt32BE(offset, 4);
    return batch;
  });
  const first = chunkOf(Buffer.concat(batches));
  assert.deepEqual([first.records.length, first.nextOffset], [3, 3]);
  assert.equal(first.bytes, packed.length * 3);
  const second = chunkOf(Buffer.concat(batches.slice(3)), first.nextOffset);
  assert.deepEqual([second.records[0]?.offset, second.nextOffset], [3, 4]);
});

test("records before the asked offset are left out, and a batch that was cut off is not read", () => {
  const values = ["a", "b", "c", "d"].map((text) => ({
    partition: 3,
    key: null,
    value: Buffer.from(text),
  }));
  const batch = encodeBatch(values, NOBODY, { nowMs: NOW_MS });
  const second = Buffer.from(batch);
  second.writeInt32BE(4, 4); // Base offset 4.
  const chunk = chunkOf(Buffer.concat([batch, second.subarray(0, second.length - 1)]), 2);
  assert.deepEqual(
    chunk.records.map(({ offset }) => offset),
    [2, 3],
  );
  assert.equal(chunk.nextOffset, 4);
  assert.equal(chunk.bytes, batch.length);
});

test("after compaction the position moves behind the batch, though its last records are gone", () => {
  const batch = encodeBatch([{ partition: 3, key: "k", value: null }], NOBODY, { nowMs: NOW_MS });
  batch.writeInt32BE(9, 23); // The last offset of the batch stays when records are compacted away.
  assert.equal(chunkOf(batch).nextOffset, 10);
});

test("values are slices of the response, not copies", () => {
  const batch = encodeBatch([{ partition: 3, key: "k", value: Buffer.alloc(100, 1) }], NOBODY, {
    nowMs: NOW_MS,
  });
  const value = chunkOf(batch).records[0]?.value;
  assert.equal(value?.buffer, batch.buffer);
});

test("the bound of a message's bytes is never below what it takes", () => {
  fc.assert(
    fc.property(messages, (sent) => {
      const bound = sent.reduce((sum, message) => sum + messageBytes(message), 0);
      const batch = encodeBatch(sent, NOBODY, { nowMs: NOW_MS });
      assert.ok(batch.length - 61 <= bound, `${batch.length - 61} bytes, bound ${bound}`);
    }),
  );
});
