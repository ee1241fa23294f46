import { assert } from "@vigie/core/assert";
import type { StateCodec } from "@vigie/stream/codec";
import { ByteReader, ByteWriter } from "./bytes.ts";

/** What a task keeps of its whole partition, by key. */

/** The number of the last audit record; they count from 1. */
export const AUDIT_SEQ = "audit_seq";

export interface AuditSeq {
  readonly kind: "audit_seq";
  readonly last: number;
}

export type Aggregate = AuditSeq;

/** Kinds are stored by their place in this list: append, never reorder. */
const kinds: readonly Aggregate["kind"][] = ["audit_seq"];
const VERSION = 1;

export function createAggregateCodec(): StateCodec<unknown> {
  const writer = new ByteWriter();
  return {
    version: VERSION,
    encode(value) {
      const aggregate = value as Aggregate;
      writer.byte(kinds.indexOf(aggregate.kind));
      writer.whole(aggregate.last);
      return writer.take();
    },
    decode(bytes, version) {
      assert(version === VERSION, `layout ${version} of an aggregate is known`);
      const reader = new ByteReader(bytes);
      const kind = kinds[reader.byte()];
      assert(kind !== undefined, "an aggregate is of a known kind");
      return { kind, last: reader.whole() } satisfies Aggregate;
    },
  };
}
