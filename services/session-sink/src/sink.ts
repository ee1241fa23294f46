import { VigError } from "@vigie/core/errors";
import { partitionOf } from "@vigie/core/keys";
import type { Logger } from "@vigie/core/log";
import { isTopicName, topics } from "@vigie/schemas/catalogue";
import { type Database, isRowRefused } from "@vigie/service-kit/postgres/database";
import {
  lockOffsets,
  readOffsets,
  type StoredOffset,
  storeOffsets,
} from "@vigie/service-kit/postgres/sink-offsets";
import {
  advance,
  isBeyond,
  isLost,
  Positions,
  positionKey,
} from "@vigie/service-kit/postgres/sink-positions";
import type {
  Sink,
  SinkContext,
  SinkPosition,
  SinkRecord,
  UnusableRecord,
} from "@vigie/stream/kafka/sink";
import type { Tally } from "@vigie/stream/observer";
import { type Batch, daysOf, gather } from "./batch.ts";
import type { Decode, Item } from "./decode.ts";
import { erase, withoutErased } from "./erase.ts";
import { type Isolated, writeIsolated } from "./isolate.ts";
import { rememberedRows } from "./known-rows.ts";
import type { Partitions } from "./partitions.ts";
import { type Written, writeBatch } from "./write.ts";

export type SinkItem = Item<SinkRecord>;

export interface SessionSinkParts {
  readonly groupId: string;
  readonly database: Database;
  readonly decode: Decode;
  readonly partitions: Partitions;
  readonly context: SinkContext;
  readonly log: Logger;
  /** Told after each commit, so that what is written again counts once. */
  written(event: SinkWritten): void;
}

export interface SinkWritten {
  readonly tally: Tally;
  readonly rows: Written;
  readonly batch: Batch;
}

type Committed =
  | { readonly rewind: readonly StoredOffset[] }
  | {
      readonly rows: Written;
      readonly part: Batch;
      readonly refused: readonly Refused[];
      /** Records of before their person was erased. */
      readonly erased: number;
    };
type Refused = Isolated["refused"][number];

/** Materialises sessions and what happens to them; each record has its effect exactly once. */
export function createSessionSink(parts: SessionSinkParts): Sink {
  const { groupId, database, context } = parts;
  const known = rememberedRows();
  const positions = new Positions();
  const buried = new Set<string>();

  /** Once a record, though a write may be tried many times. */
  const bury = async (records: readonly UnusableRecord[]): Promise<void> => {
    const fresh = records.filter(({ record }) => !buried.has(recordKey(record)));
    if (fresh.length === 0) return;
    await context.deadLetter(fresh);
    for (const { record } of fresh) buried.add(recordKey(record));
  };

  const commit = (
    items: readonly SinkItem[],
    batch: Batch,
    next: readonly SinkPosition[],
    isolated: boolean,
  ): Promise<Committed> =>
    database.transaction(async (tx) => {
      const stored = await lockOffsets(tx, groupId, next);
      const rewind = stored.filter((each) => isLost(each, positions));
      if (rewind.length > 0) return { rewind };
      const unwritten = newOf(items, stored);
      const requests = unwritten.flatMap((item) =>
        item.topic === "id.subject.erasure" ? [item.value] : [],
      );
      if (requests.length > 0) known.clear();
      await erase(tx, requests);
      const fresh = await withoutErased(tx, unwritten);
      // Nearly always all of it: gathering anew is for an owner that was overtaken, and after an erasure.
      const part = fresh === items ? batch : gather(fresh);
      const { rows, refused } = isolated
        ? await writeIsolated(tx, fresh)
        : { rows: await writeBatch(tx, part, known), refused: [] };
      await bury(refused.map(asUnusable));
      await storeOffsets(tx, groupId, advance(next, stored));
      return { rows, part, refused, erased: unwritten.length - fresh.length };
    });

  return {
    async assigned(assigned) {
      const stored = await readOffsets(database, groupId, assigned);
      positions.set(stored);
      return stored;
    },
    async write(records, next) {
      const { items, unusable, tally } = await decodeAll(records, parts);
      await bury(unusable);
      const batch = gather(items);
      await parts.partitions.ensure(daysOf(batch));
      const committed = await commit(items, batch, next, false).catch((error: unknown) => {
        if (!isRowRefused(error)) throw error;
        // A row that foreign keys need may be gone; if it is the record itself, it is found and
        // buried.
        known.clear();
        return commit(items, batch, next, true);
      });
      if ("rewind" in committed) {
        positions.set(committed.rewind);
        return committed;
      }
      positions.set(next);
      buried.clear();
      // What a refused record needed has gone with it.
      if (committed.refused.length === 0) known.remember(committed.part);
      for (const { code } of committed.refused.map(asUnusable)) count(tally.dlq, code);
      tally.ok -= committed.refused.length + committed.erased;
      if (committed.erased > 0) tally.dropped.erased = committed.erased;
      parts.written({ tally, rows: committed.rows, batch: committed.part });
      return undefined;
    },
    lost(lost) {
      positions.forget(lost);
      // Whoever has them now may delete rows that they need.
      known.clear();
    },
  };
}

const recordKey = (record: SinkRecord): string => `${positionKey(record)}/${record.offset}`;

const asUnusable = ({ item, why }: Refused): UnusableRecord => ({
  record: item.record,
  code: "VIG_ROW_REFUSED",
  details: { why },
});

function count<K extends string>(counts: Partial<Record<K, number>>, key: K): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

interface DecodedBatch {
  readonly items: readonly SinkItem[];
  readonly unusable: readonly UnusableRecord[];
  readonly tally: Tally;
}

async function decodeAll(
  records: readonly SinkRecord[],
  { decode, context }: Pick<SessionSinkParts, "decode" | "context">,
): Promise<DecodedBatch> {
  const items: SinkItem[] = [];
  const unusable: UnusableRecord[] = [];
  const tally: Tally = { consumed: records.length, ok: 0, redirected: 0, dropped: {}, dlq: {} };
  for (const record of records) {
    if (isMisrouted(record, context.partitionCount(record.topic))) {
      count(tally.dropped, "misrouted");
      continue;
    }
    const outcome = await decode(record);
    if (outcome.kind === "ok") {
      items.push(outcome.value);
      tally.ok += 1;
    } else if (outcome.kind === "dlq") {
      unusable.push({ record, code: outcome.code, details: outcome.details });
      count(tally.dlq, outcome.code);
    } else if (outcome.kind === "drop") {
      count(tally.dropped, outcome.reason);
    } else {
      throw new VigError("VIG_INVARIANT", { what: "a sink redirects nothing" });
    }
  }
  return { items, unusable, tally };
}

/** Right key, wrong partition: the detector sends it on, and then it comes again. */
function isMisrouted({ topic, key, keyBytes, partition }: SinkRecord, partitions: number): boolean {
  if (!isTopicName(topic) || keyBytes === null) return false;
  const shape = topics[topic].key;
  if (shape === "tenant|user") return partitionOf(keyBytes, partitions) !== partition;
  if (shape !== "tenant|user|session") return false;
  const user = key.split("|", 2).join("|");
  return partitionOf(user, partitions) !== partition;
}

function newOf(items: readonly SinkItem[], stored: readonly StoredOffset[]): readonly SinkItem[] {
  const isNew = isBeyond(stored);
  return items.every(({ record }) => isNew(record))
    ? items
    : items.filter(({ record }) => isNew(record));
}
