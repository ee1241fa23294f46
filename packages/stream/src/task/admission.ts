import { partitionOf } from "@vigie/core/keys";
import { dlq, drop, type Outcome, ok, redirect } from "@vigie/core/outcome";
import type { Input, InputRecord } from "../processor.ts";
import { isReservedKey } from "../state/store.ts";
import { type RawRecord, wasRedirected } from "./record.ts";

/** Longest value that is taken. Source: DESIGN, what is wrong with a record: a value over 64 KiB. */
export const VALUE_BYTES_MAX = 65_536;

export interface Place {
  readonly partition: number;
  /** Of the input's topic. */
  readonly partitions: number;
}

export interface Later {
  readonly kind: "later";
  readonly ready: Promise<void>;
}

/**
 * Judges a record before it may touch a state: size, bytes, contract, key, and last its partition, since only a
 * record that is right in itself is worth passing on. `redirect`: right key, wrong partition, not sent on before.
 */
export function admitRecord<V>(
  input: Input<V>,
  raw: RawRecord,
  place: Place,
): Outcome<InputRecord<V>> | Later {
  const { key: keyBytes, value } = raw;
  if (value === null && input.tombstone === undefined) return dlq("VIG_RECORD_NULL");
  if (value !== null && value.length > VALUE_BYTES_MAX) {
    return dlq("VIG_RECORD_TOO_LARGE", { bytes: value.length, limitBytes: VALUE_BYTES_MAX });
  }
  if (keyBytes === null) return dlq("VIG_RECORD_KEY_MISMATCH");
  const key = keyBytes.toString("utf8");
  if (isReservedKey(key)) return dlq("VIG_RECORD_KEY_MISMATCH");
  // A key that is not UTF-8 reads like another one: it names nobody.
  if (key.includes("\ufffd") && !Buffer.from(key).equals(keyBytes)) {
    return dlq("VIG_RECORD_KEY_MISMATCH");
  }
  const decoded = value === null ? ok(input.tombstone as V) : input.decoder.decode(value);
  if (decoded.kind !== "ok") return decoded;
  const record: InputRecord<V> = {
    topic: input.topic,
    partition: place.partition,
    offset: raw.offset,
    timestampMs: raw.timestampMs,
    key,
    value: decoded.value,
  };
  const admitted = input.admit(record);
  if (admitted.kind !== "ok") return admitted;
  if (partitionOf(keyBytes, place.partitions) !== place.partition)
    return judgeMisplaced(input, raw);
  return ok(admitted.value === decoded.value ? record : { ...record, value: admitted.value });
}

function judgeMisplaced<V>(input: Input<V>, raw: RawRecord): Outcome<never> {
  if (input.misplaced === "drop") return drop("misrouted");
  return wasRedirected(raw.headers) ? drop("misrouted_twice") : redirect();
}
