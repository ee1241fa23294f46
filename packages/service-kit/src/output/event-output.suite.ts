import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { partitionOf } from "@vigie/core/keys";
import { test } from "vitest";
import type { EventOutput, OutgoingEvent } from "./event-output.ts";

/** An output with what a test does to the broker behind it. */
export interface OutputUnderTest {
  readonly output: EventOutput;
  readonly prefix: string;
  readonly partitions: number;
  /** What is in the topic, in order within a partition. */
  read(topic: string, count: number): Promise<readonly { key: string; value: Buffer }[]>;
  /** The broker stops answering. */
  silence(): Promise<void>;
  /** It answers again. */
  wake(): Promise<void>;
}

export type OpenOutput = (options: { readonly bufferBytesMax: number }) => Promise<OutputUnderTest>;

const event = (user: string, text: string): OutgoingEvent => ({
  topic: "id.login",
  key: `acme|${user}`,
  value: Buffer.from(text),
});

const codeOf = (error: unknown): string | null => (error instanceof VigError ? error.code : null);

export const outputBehaviours: Record<string, (open: OpenOutput) => Promise<void>> = {
  "a receipt names topic, partition and offset of the record": async (open) => {
    const { output, prefix, partitions, read } = await open({ bufferBytesMax: 1_000_000 });
    const first = await output.publish(event("u-1", "one"));
    const second = await output.publish(event("u-1", "two"));
    assert.equal(first.topic, `${prefix}id.login`);
    assert.equal(first.partition, partitionOf("acme|u-1", partitions));
    assert.equal(second.partition, first.partition);
    assert.equal(second.offset, first.offset + 1);
    assert.ok(first.appendedAtMs > 0 && second.appendedAtMs >= first.appendedAtMs);
    const values = (await read("id.login", 2)).map(({ value }) => value.toString());
    assert.deepEqual(values, ["one", "two"]);
    await output.close();
  },
  "events of one key published at once keep their order": async (open) => {
    const { output, read } = await open({ bufferBytesMax: 1_000_000 });
    const texts = Array.from({ length: 200 }, (_, index) => String(index));
    const receipts = await Promise.all(texts.map((text) => output.publish(event("u-1", text))));
    const offsets = receipts.map(({ offset }) => offset);
    assert.deepEqual(
      offsets,
      [...offsets].sort((a, b) => a - b),
    );
    const values = (await read("id.login", 200)).map(({ value }) => value.toString());
    assert.deepEqual(values, texts);
    await output.close();
  },
  "a full buffer refuses, and what it holds is acknowledged later": async (open) => {
    const { output, silence, wake, read } = await open({ bufferBytesMax: 2_000 });
    await output.publish(event("u-1", "first"));
    await silence();
    const waiting = Array.from({ length: 40 }, (_, index) =>
      output.publish(event("u-1", `${index}`.padEnd(100, "."))).then(
        () => "acknowledged",
        (error: unknown) => codeOf(error),
      ),
    );
    await wake();
    const fates = await Promise.all(waiting);
    const acknowledged = fates.filter((fate) => fate === "acknowledged").length;
    assert.ok(acknowledged > 0 && acknowledged < 40, `${acknowledged} were acknowledged`);
    assert.ok(fates.every((fate) => fate === "acknowledged" || fate === "VIG_BUFFER_FULL"));
    assert.equal((await read("id.login", 1 + acknowledged)).length, 1 + acknowledged);
    await output.close();
  },
  "closing waits for what is in flight, and nothing is taken after": async (open) => {
    const { output, read } = await open({ bufferBytesMax: 1_000_000 });
    const inFlight = output.publish(event("u-1", "last"));
    await output.close();
    await inFlight;
    assert.equal((await read("id.login", 1)).length, 1);
    await assert.rejects(output.publish(event("u-1", "late")), { code: "VIG_BROKER_AWAY" });
  },
};

/** What every output promises. */
export function eventOutputSuite(name: string, open: OpenOutput): void {
  for (const [behaviour, check] of Object.entries(outputBehaviours)) {
    test(`${name}: ${behaviour}`, () => check(open));
  }
}
