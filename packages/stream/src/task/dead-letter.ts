import type { VigCode } from "@vigie/core/catalogue";
import { describeCode, type ErrorDetails } from "@vigie/core/errors";
import { copyHeaders, type OutRecord, type RawRecord } from "./record.ts";

export const deadLetterTopic = (topic: string): string => `${topic}.dlq`;

/** Where a dead letter came from. */
export interface Origin {
  readonly topic: string;
  readonly partition: number;
  readonly service: string;
}

/** Longest text of a cause that is kept in a header. */
const MESSAGE_CHARACTERS_MAX = 1_024;

/** The dead letter of a record: bytes, key and headers as they came, and headers that say what was wrong. */
export function deadLetterOf(
  record: RawRecord,
  origin: Origin,
  code: VigCode,
  details: ErrorDetails,
): OutRecord {
  const message = describeCode(code, details).slice(0, MESSAGE_CHARACTERS_MAX);
  return {
    topic: deadLetterTopic(origin.topic),
    partition: origin.partition,
    key: record.key,
    value: record.value,
    headers: {
      ...copyHeaders(record.headers),
      "vigie.error.code": code,
      "vigie.error.message": message,
      "vigie.error.topic": origin.topic,
      "vigie.error.partition": String(origin.partition),
      "vigie.error.offset": String(record.offset),
      "vigie.error.service": origin.service,
    },
    compress: true,
  };
}
