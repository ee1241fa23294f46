import { VigError } from "@vigie/core/errors";
import type { Queryable } from "./database.ts";

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface NextOffset extends TopicPartition {
  /** First offset that this write covers. */
  readonly from: number;
  /** Where reading goes on after it. */
  readonly offset: number;
}

export interface StoredOffset extends TopicPartition {
  /** null: the group has not written from this partition yet. */
  readonly offset: number | null;
}

const READ = "select topic, partition, next_offset from sink_offsets where group_id = $1";

/** Where a group goes on. Topics as in the catalogue. */
export async function readOffsets(
  db: Queryable,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<StoredOffset[]> {
  const { rows } = await db.query<OffsetRow>(READ, [groupId]);
  return offsetsOf(partitions, rows);
}

/**
 * The same, held until the transaction ends: records below are in the store, whoever wrote them,
 * and nobody else writes from these partitions meanwhile.
 */
export async function lockOffsets(
  tx: Queryable,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<StoredOffset[]> {
  const { rows } = await tx.query<OffsetRow>(
    `${READ} and (topic, partition) in (select * from unnest($2::text[], $3::int[]))
     order by topic, partition for update`,
    [groupId, partitions.map((each) => each.topic), partitions.map((each) => each.partition)],
  );
  return offsetsOf(partitions, rows);
}

interface OffsetRow {
  readonly topic: string;
  readonly partition: number;
  readonly next_offset: number;
}

function offsetsOf(
  partitions: readonly TopicPartition[],
  rows: readonly OffsetRow[],
): StoredOffset[] {
  const stored = new Map(rows.map((row) => [`${row.topic}/${row.partition}`, row.next_offset]));
  return partitions.map(({ topic, partition }) => ({
    topic,
    partition,
    offset: stored.get(`${topic}/${partition}`) ?? null,
  }));
}

const STORE = `
  insert into sink_offsets as held (group_id, topic, partition, next_offset)
  select $1, topic, partition, upto
    from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[])
      as given (topic, partition, start, upto)
   order by topic, partition
  on conflict (group_id, topic, partition) do update
    set next_offset = excluded.next_offset, stored_at = now()
  where held.next_offset <= (
    select start
      from unnest($2::text[], $3::int[], $4::bigint[]) as given (topic, partition, start)
     where given.topic = held.topic and given.partition = held.partition)`;

/**
 * Stores how far a group is, in the transaction that holds the effect of the records before.
 * Throws: VIG_SINK_OVERTAKEN if somebody has written from these records already: an owner that lost
 * its partition and does not know yet must not write twice. The transaction is to be given up.
 */
export async function storeOffsets(
  tx: Queryable,
  groupId: string,
  next: readonly NextOffset[],
): Promise<void> {
  const { count } = await tx.query(STORE, [
    groupId,
    next.map((each) => each.topic),
    next.map((each) => each.partition),
    next.map((each) => each.from),
    next.map((each) => each.offset),
  ]);
  if (count !== next.length) throw new VigError("VIG_SINK_OVERTAKEN", { groupId });
}
