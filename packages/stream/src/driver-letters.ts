import { assert } from "@vigie/core/assert";
import type { VigCode } from "@vigie/core/catalogue";
import type { OutRecord } from "./task/record.ts";

/** A dead letter as the test driver shows it. */
export interface DriverDeadLetter {
  readonly topic: string;
  readonly code: VigCode;
  readonly message: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

export const textHeaders = (record: OutRecord): Record<string, string> =>
  Object.fromEntries(
    Object.entries(record.headers ?? {}).map(([name, value]) => [name, value.toString()]),
  );

export function letterOf(record: OutRecord, code: VigCode): DriverDeadLetter {
  const headers = textHeaders(record);
  assert(record.key === null || Buffer.isBuffer(record.key), "a dead letter keeps its key's bytes");
  return {
    topic: record.topic,
    code,
    message: headers["vigie.error.message"] ?? "",
    key: record.key,
    value: record.value,
    headers,
  };
}
