import type { StateCodec } from "@vigie/stream/codec";
import type { AggregateChange, ProcessContext } from "@vigie/stream/processor";
import { nameUuid } from "./ids.ts";

/**
 * PRV-14: what a processor remembers of people who were erased, so that what happened before and comes late is not
 * taken in again. Kept in aggregates under a name-based id: it recognises a person who is named, and names nobody.
 */
export interface Erased {
  readonly kind: "erased";
  /** What happened up to here is erased, ms since the epoch. */
  readonly untilMs: number;
}

export interface ErasedPerson {
  readonly tenantId: string;
  readonly userId: string;
}

type Aggregates = Pick<ProcessContext, "aggregate">;

/** The newest erasure of the partition: nearly all that happens is later, and needs no second look. */
const NEWEST = "erased";

const keyOf = ({ tenantId, userId }: ErasedPerson): string =>
  `${NEWEST}|${nameUuid(tenantId, "subject", userId)}`;

/** Until when a person was erased; 0: never. */
export const erasedUntilMs = (person: ErasedPerson, { aggregate }: Aggregates): number =>
  aggregate<Erased>(NEWEST) === null ? 0 : (aggregate<Erased>(keyOf(person))?.untilMs ?? 0);

/** Whether what happened at this time was erased with its person. */
export function isErased(
  tenantId: string,
  userId: string,
  atMs: number,
  context: Aggregates,
): boolean {
  const newest = context.aggregate<Erased>(NEWEST);
  if (newest === null || atMs > newest.untilMs) return false;
  return atMs <= erasedUntilMs({ tenantId, userId }, context);
}

/** Notes that a person was erased; an earlier request that comes later moves nothing. */
export const rememberErased = (
  person: ErasedPerson,
  atMs: number,
  { aggregate }: Aggregates,
): readonly AggregateChange[] =>
  [NEWEST, keyOf(person)].map((key) => {
    const untilMs = Math.max(atMs, aggregate<Erased>(key)?.untilMs ?? 0);
    return { key, value: { kind: "erased", untilMs } satisfies Erased };
  });

const VERSION = 1;

/** For a processor that has no other aggregates. */
export const erasedCodec: StateCodec<unknown> = {
  version: VERSION,
  encode(value) {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE((value as Erased).untilMs);
    return bytes;
  },
  decode(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { kind: "erased", untilMs: view.getFloat64(0) } satisfies Erased;
  },
};
