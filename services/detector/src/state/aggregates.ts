import { assert, assertNever } from "@vigie/core/assert";
import { Reader, Writer } from "@vigie/core/bytes";
import { type Erased, erasedCodec } from "@vigie/service-kit/erasures";
import type { StateCodec } from "@vigie/stream/codec";
import { FreshLogins, Population } from "./population.ts";

/** What the detector keeps of a partition besides its users. */
export type Aggregate = Erased | Population | FreshLogins;

const kinds = ["erased", "population", "fresh"] as const satisfies Aggregate["kind"][];
/** A byte of kind and the kind's own bytes; version 1 had erasures only, and no byte of kind. */
const VERSION = 2;

export function createAggregateCodec(): StateCodec<unknown> {
  const writer = new Writer();
  return {
    version: VERSION,
    encode(value) {
      const aggregate = value as Aggregate;
      writer.at = 0;
      writer.room(1);
      writer.u8(kinds.indexOf(aggregate.kind));
      if (aggregate.kind === "erased") {
        const bytes = Buffer.from(erasedCodec.encode(aggregate));
        writer.copy(bytes, 0, bytes.length);
      } else aggregate.write(writer);
      return writer.finish();
    },
    decode(bytes, version) {
      if (version === erasedCodec.version) return erasedCodec.decode(bytes, version);
      assert(version === VERSION, `layout ${version} of an aggregate is known`);
      const reader = new Reader(Buffer.from(bytes), 0, bytes.length);
      return read(kinds[reader.u8()], reader);
    },
  };
}

function read(kind: Aggregate["kind"] | undefined, reader: Reader): Aggregate {
  assert(kind !== undefined, "an aggregate is of a known kind");
  switch (kind) {
    case "erased":
      return erasedCodec.decode(reader.bytes.subarray(reader.at), erasedCodec.version) as Erased;
    case "population":
      return Population.read(reader);
    case "fresh":
      return FreshLogins.read(reader);
    default:
      return assertNever(kind);
  }
}
