import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { test } from "vitest";
import { SinkBuffer } from "./sink-buffer.ts";
import type { FetchedChunk } from "./types.ts";

function chunk(
  topic: string,
  partition: number,
  offsets: number[],
  nextOffset: number,
): FetchedChunk {
  return {
    topic,
    partition,
    fetchOffset: offsets[0] ?? nextOffset,
    records: offsets.map((offset) => ({
      topic,
      partition,
      offset,
      timestampMs: 0,
      key: Buffer.from("k"),
      value: Buffer.alloc(9),
      headers: [],
      size: 10,
    })),
    nextOffset,
    highWatermark: nextOffset,
    lastStableOffset: nextOffset,
    logStartOffset: 0,
    bytes: 0,
  };
}

test("a batch takes the oldest of each partition, by catalogue name, and says from where to where", () => {
  const buffer = new SinkBuffer("t1.");
  buffer.push(chunk("t1.a", 0, [0, 1, 2, 3], 5));
  buffer.push(chunk("t1.a", 1, [0], 1));
  const batch = buffer.peek(4);
  assert.deepEqual(
    batch.records.map(({ topic, partition, offset }) => [topic, partition, offset]),
    [
      ["a", 0, 0],
      ["a", 0, 1],
      ["a", 1, 0],
    ],
  );
  assert.deepEqual(batch.next, [
    { topic: "a", partition: 0, offset: 2, from: 0 },
    { topic: "a", partition: 1, offset: 1, from: 0 },
  ]);
  buffer.written(batch);
  // Two of ten bytes, and what an empty one takes as well.
  assert.equal(buffer.bytesOf("t1.a", 0), 2 * (150 + 10));
  // The rest moves behind the control record that follows.
  assert.deepEqual(buffer.peek(4).next, [{ topic: "a", partition: 0, offset: 5, from: 2 }]);
});

test("a chunk of very many small records is taken like any other", () => {
  const buffer = new SinkBuffer("");
  const count = 300_000;
  const [sample] = chunk("a", 0, [0], 1).records;
  buffer.push(chunk("a", 0, [0], 1));
  const records = Array.from({ length: count }, (_, i) => ({ ...sample, offset: i + 1 }));
  buffer.push({ ...chunk("a", 0, [], count + 1), fetchOffset: 1, records } as FetchedChunk);
  assert.equal(buffer.recordCount, count + 1);
});

test("a position that moves over control records only is stored too", () => {
  const buffer = new SinkBuffer("");
  buffer.begin("a", 0, 7);
  assert.equal(buffer.isDirty, false);
  buffer.push({ ...chunk("a", 0, [], 9), fetchOffset: 7 });
  assert.equal(buffer.isDirty, true);
  const batch = buffer.peek(10);
  assert.deepEqual(batch.records, []);
  assert.deepEqual(batch.next, [{ topic: "a", partition: 0, offset: 9, from: 7 }]);
  buffer.written(batch);
  assert.equal(buffer.isDirty, false);
});

test("a batch of a partition that was lost meanwhile is stale and moves nothing", () => {
  const buffer = new SinkBuffer("");
  buffer.push(chunk("a", 0, [0, 1], 2));
  const batch = buffer.peek(10);
  buffer.drop(0);
  buffer.begin("a", 0, 0);
  assert.equal(buffer.isCurrent(batch), false);
  buffer.written(batch);
  assert.equal(buffer.writtenOffset("a", 0), 0);
  assert.equal(buffer.recordCount, 0);
});

test("a gap between chunks is a broken invariant", () => {
  const buffer = new SinkBuffer("");
  buffer.push(chunk("a", 0, [0], 1));
  assert.throws(
    () => buffer.push(chunk("a", 0, [5], 6)),
    (error) => error instanceof VigError && error.code === "VIG_INVARIANT",
  );
});
