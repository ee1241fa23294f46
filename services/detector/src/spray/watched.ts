import { dlq, ok } from "@vigie/core/outcome";
import { parseAddress, words } from "@vigie/geoip/address";
import type { Decoder, Encoder } from "@vigie/stream/codec";
import type { GlobalTable } from "@vigie/stream/processor";

/** The addresses whose successes count, by tenant and address. */
export const WATCHED_TOPIC = "vigie.detector-spray.watched";
/** The name of the table in the detector. */
export const WATCHED = "watched";

export interface Watched {
  /** Until when, ms since the epoch. */
  readonly untilMs: number;
  /** `markOf` the address. */
  readonly mark: number;
}

/** Few enough that a mark is shared by a million IPv4 addresses and tells nobody's; enough that few names are made in vain. */
const MARK_BITS = 12;
export const MARKS = 2 ** MARK_BITS;

/** How many words an address of each family has. */
const wordsUsed = { 0: 0, 4: 1, 6: 4 } as const;

/** What tells most addresses that are not watched before they need a name, which takes far longer. */
export function markOf(ip: string): number {
  // A zone is no part of an address's name either.
  const zoneAt = ip.indexOf("%");
  const used = wordsUsed[parseAddress((zoneAt < 0 ? ip : ip.slice(0, zoneAt)).trim())];
  let sum = 0;
  for (let at = 0; at < used; at++) sum = Math.imul(sum ^ (words[at] as number), GOLDEN);
  return sum >>> (32 - MARK_BITS);
}

/** Spreads numbers that are near each other. Source: Knuth, TAOCP 3, section 6.4: 2^32 by the golden ratio. */
const GOLDEN = 0x9e37_79b1;

/** Layout: until (6 bytes), mark (2). */
const BYTES = 8;

export const watchedEncoder: Encoder<Watched> = {
  encode({ untilMs, mark }) {
    const bytes = Buffer.alloc(BYTES);
    bytes.writeUIntBE(untilMs, 0, 6);
    bytes.writeUInt16BE(mark, 6);
    return bytes;
  },
};

const watchedDecoder: Decoder<Watched> = {
  decode(value) {
    if (value.length !== BYTES) {
      return dlq("VIG_RECORD_UNDECODABLE", { schemaId: 0, why: `${value.length} bytes` });
    }
    const bytes = Buffer.from(value.buffer, value.byteOffset, BYTES);
    return ok({ untilMs: bytes.readUIntBE(0, 6), mark: bytes.readUInt16BE(6) });
  },
};

export const watchedTable: GlobalTable<Watched> = {
  topic: WATCHED_TOPIC,
  optional: true,
  decoder: watchedDecoder,
  mark: ({ mark }) => mark,
};
