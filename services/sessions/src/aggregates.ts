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
      writer.byte(kinds.indexOf(aggregate.kind));
      write(writer, aggregate);
      return writer.take();
    },
    decode(bytes, version) {
      assert(version === VERSION, `layout ${version} of an aggregate is known`);
      const reader = new ByteReader(bytes);
      const kind = kinds[reader.byte()];
      assert(kind !== undefined, "an aggregate is of a known kind");
      return read(reader, kind);
    },
  };
}

function write(out: ByteWriter, aggregate: Aggregate): void {
  switch (aggregate.kind) {
    case "audit_seq":
      out.whole(aggregate.last);
      break;
    case "ticks":
      out.whole(aggregate.ticks.lastMs);
      out.list(aggregate.ticks.outages, ({ fromMs, untilMs }) => {
        out.whole(fromMs);
        out.whole(untilMs);
      });
      break;
    case "tenant_load":
      out.whole(aggregate.live);
      out.whole(aggregate.heldToldAtMs);
      out.list(aggregate.revoked, ({ minuteMs, count }) => {
        out.whole(minuteMs);
        out.whole(count);
      });
      break;
    case "erased":
      out.whole(aggregate.untilMs);
      break;
    default:
      assertNever(aggregate);
  }
}

function read(from: ByteReader, kind: Aggregate["kind"]): Aggregate {
  switch (kind) {
    case "audit_seq":
      return { kind, last: from.whole() };
    case "ticks": {
      const lastMs = from.whole();
      const outages = from.list(() => ({ fromMs: from.whole(), untilMs: from.whole() }));
      return { kind, ticks: { lastMs, outages } };
    }
    case "tenant_load": {
      const head = { kind, live: from.whole(), heldToldAtMs: from.whole() };
      return {
        ...head,
        revoked: from.list(() => ({ minuteMs: from.whole(), count: from.whole() })),
      };
    }
    case "erased":
      return { kind, untilMs: from.whole() };
    default:
      return assertNever(kind);
  }
}
