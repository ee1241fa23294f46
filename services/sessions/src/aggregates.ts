import { assert, assertNever } from "@vigie/core/assert";
import type { Ticks } from "@vigie/core/outages";
import type { Erased } from "@vigie/service-kit/erasures";
import type { StateCodec } from "@vigie/stream/codec";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { TenantLoad } from "./guard.ts";

/** What a task keeps of its whole partition, by key. */

/** The number of the last audit record; they count from 1. */
export const AUDIT_SEQ = "audit_seq";

export interface AuditSeq {
  readonly kind: "audit_seq";
  readonly last: number;
}

/** The ticks of the partition: when our edge and broker were there. */
export const TICKS = "ticks";

export interface TicksSeen {
  readonly kind: "ticks";
  readonly ticks: NonNullable<Ticks>;
}

export type Aggregate = AuditSeq | TicksSeen | TenantLoad | Erased;

/** Kinds are stored by their place in this list: append, never reorder. */
const kinds: readonly Aggregate["kind"][] = ["audit_seq", "ticks", "tenant_load", "erased"];
const VERSION = 1;

export function createAggregateCodec(): StateCodec<unknown> {
  const writer = new ByteWriter();
  return {
    version: VERSION,
    encode(value) {
      const aggregate = value as Aggregate;
      writer.u8(kinds.indexOf(aggregate.kind));
      write(writer, aggregate);
      return writer.finish();
    },
    decode(bytes, version) {
      assert(version === VERSION, `layout ${version} of an aggregate is known`);
      const reader = new ByteReader(bytes);
      const kind = kinds[reader.u8()];
      assert(kind !== undefined, "an aggregate is of a known kind");
      return read(reader, kind);
    },
  };
}

function write(out: ByteWriter, aggregate: Aggregate): void {
  switch (aggregate.kind) {
    case "audit_seq":
      out.varint(aggregate.last);
      break;
    case "ticks":
      out.varint(aggregate.ticks.lastMs);
      out.list(aggregate.ticks.outages, ({ fromMs, untilMs }) => {
        out.varint(fromMs);
        out.varint(untilMs);
      });
      break;
    case "tenant_load":
      out.varint(aggregate.live);
      out.varint(aggregate.heldToldAtMs);
      out.list(aggregate.revoked, ({ minuteMs, count }) => {
        out.varint(minuteMs);
        out.varint(count);
      });
      break;
    case "erased":
      out.varint(aggregate.untilMs);
      break;
    default:
      assertNever(aggregate);
  }
}

function read(from: ByteReader, kind: Aggregate["kind"]): Aggregate {
  switch (kind) {
    case "audit_seq":
      return { kind, last: from.varint() };
    case "ticks": {
      const lastMs = from.varint();
      const outages = from.list(() => ({ fromMs: from.varint(), untilMs: from.varint() }));
      return { kind, ticks: { lastMs, outages } };
    }
    case "tenant_load": {
      const head = { kind, live: from.varint(), heldToldAtMs: from.varint() };
      return {
        ...head,
        revoked: from.list(() => ({ minuteMs: from.varint(), count: from.varint() })),
      };
    }
    case "erased":
      return { kind, untilMs: from.varint() };
    default:
      return assertNever(kind);
  }
}
