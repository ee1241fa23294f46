import { messageOf } from "@vigie/core/errors";
import { compile, readerOf } from "./avro.ts";
import type { AvroSchema, Contract } from "./contracts.ts";

/**
 * Whether readers of each of two versions can read what the other wrote: FULL compatibility.
 * Returns: null, or why not.
 */
export function incompatibility(older: AvroSchema, newer: AvroSchema): string | null {
  return (
    unreadable(older, newer, "a reader of before cannot read what is written now") ??
    unreadable(newer, older, "a reader of now cannot read what was written before")
  );
}

function unreadable(reader: AvroSchema, writer: AvroSchema, what: string): string | null {
  try {
    readerOf(compile(reader), compile(writer));
    return null;
  } catch (cause) {
    return `${what}: ${messageOf(cause)}`;
  }
}

/** Every contract of `baseline` that `current` breaks or lacks, with the reason; transitive over many baselines. */
export function brokenContracts(
  baseline: ReadonlyMap<string, Contract>,
  current: ReadonlyMap<string, Contract>,
): readonly string[] {
  return [...baseline].flatMap(([topic, before]) => {
    const now = current.get(topic);
    if (now === undefined) return [`${topic}: the contract is gone`];
    const why = incompatibility(before.schema, now.schema);
    return why === null ? [] : [`${topic}: ${why}`];
  });
}
