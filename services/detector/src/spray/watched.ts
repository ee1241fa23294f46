import { dlq, ok } from "@vigie/core/outcome";
import type { Decoder, Encoder } from "@vigie/stream/codec";
import type { GlobalTable } from "@vigie/stream/processor";

/** The addresses whose successes count, by tenant and address: until when, ms since the epoch. */
export const WATCHED_TOPIC = "vigie.detector-spray.watched";
/** The name of the table in the detector. */
export const WATCHED = "watched";

const BYTES = 8;

export const watchedEncoder: Encoder<number> = {
  encode(untilMs) {
    const bytes = Buffer.alloc(BYTES);
    bytes.writeDoubleBE(untilMs);
    return bytes;
  },
};

const watchedDecoder: Decoder<number> = {
  decode(value) {
    if (value.length !== BYTES) {
      return dlq("VIG_RECORD_UNDECODABLE", { schemaId: 0, why: `${value.length} bytes` });
    }
    return ok(new DataView(value.buffer, value.byteOffset, BYTES).getFloat64(0));
  },
};

export const watchedTable: GlobalTable<number> = {
  topic: WATCHED_TOPIC,
  optional: true,
  decoder: watchedDecoder,
};
