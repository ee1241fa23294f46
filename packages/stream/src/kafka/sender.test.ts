import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { encodeBatch } from "./record-batch.ts";
import { BATCH_BYTES_MAX, toRounds } from "./sender.ts";
import type { OutgoingMessage } from "./types.ts";

const message = (partition: number, bytes: number, key = "k"): OutgoingMessage => ({
  partition,
  key,
  value: Buffer.alloc(bytes),
});
const NOBODY = { producerId: 1, producerEpoch: 0, baseSequence: 0, transactional: true };
/** Source: the broker's default message.max.bytes. */
const MESSAGE_BYTES_MAX = 1_048_588;

test("4,000 records of 270 bytes to one partition become batches that a broker takes", () => {
  const messages = Array.from({ length: 4_000 }, (_, i) => message(0, 270, `acme|user-${i}`));
  const rounds = toRounds([{ topic: "t", messages }]);
  assert.equal(rounds.length, 2);
  for (const [batch] of rounds) {
    const bytes = encodeBatch(batch?.messages ?? [], NOBODY, { nowMs: 0 }).length;
    assert.ok(bytes < BATCH_BYTES_MAX, `${bytes}`);
  }
  const whole = encodeBatch(messages, NOBODY, { nowMs: 0 }).length;
  assert.ok(whole > MESSAGE_BYTES_MAX, "in one batch the broker would refuse them");
});

test("a message above the limit goes alone", () => {
  const big = message(0, BATCH_BYTES_MAX);
  const rounds = toRounds([{ topic: "t", messages: [message(0, 1), big, message(0, 1)] }]);
  assert.deepEqual(
    rounds.map((round) => round.map((batch) => batch.messages.length)),
    [[1], [1], [1]],
  );
});

test("another compression is another batch", () => {
  const rounds = toRounds([
    { topic: "t", messages: [message(0, 1)] },
    { topic: "t", messages: [message(0, 2)], compression: "gzip" },
  ]);
  assert.deepEqual(
    rounds.map((round) => round.map(({ compression }) => compression)),
    [["none"], ["gzip"]],
  );
});

test("rounds keep every message, its order within a partition, and have one batch a partition", () => {
  const sizes = fc.array(
    fc.record({ partition: fc.nat(3), bytes: fc.integer({ min: 0, max: 400_000 }) }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(sizes, (wanted) => {
      const messages = wanted.map(({ partition, bytes }, i) => message(partition, bytes, `${i}`));
      const rounds = toRounds([{ topic: "t", messages }]);
      for (const round of rounds) {
        assert.equal(new Set(round.map(({ partition }) => partition)).size, round.length);
      }
      for (const partition of [0, 1, 2, 3]) {
        const sent = rounds.flatMap((round) =>
          round.filter((batch) => batch.partition === partition).flatMap((b) => b.messages),
        );
        assert.deepEqual(
          sent.map(({ key }) => key),
          messages.filter((each) => each.partition === partition).map(({ key }) => key),
        );
      }
    }),
  );
});
