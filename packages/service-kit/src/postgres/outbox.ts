import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import { isTopicName, VALUE_MAX_BYTES } from "@vigie/schemas/catalogue";
import type { Queryable } from "./database.ts";
import { lockName } from "./locks.ts";

/** A record that is to be published if, and only if, the transaction that enqueued it commits. */
export interface OutboxRecord {
  /** Catalogue name. */
  readonly topic: string;
  readonly key: string;
  /** Default: that of the key. */
  readonly partition?: number;
  /** Null: a tombstone. */
  readonly value: Buffer | null;
}

/** Every publisher of one schema listens here; the name is built where it is used, by the connection's own schema. */
export const OUTBOX_CHANNEL = "'vigie_outbox_' || md5(current_schema())";

const ENQUEUE = `
  with added as (
    insert into outbox (topic, key, partition, value) values ($1, $2, $3, $4) returning id)
  select id, pg_notify(${OUTBOX_CHANNEL}, '') from added`;

/**
 * Adds a record to a transaction. It is published soon after the commit, at least once, and in order with the others
 * of its topic and key; the publisher is woken by the commit itself.
 * Throws: VIG_RECORD_TOO_LARGE, since what no topic takes would hold up all that comes after it.
 */
export async function enqueue(tx: Queryable, record: OutboxRecord): Promise<void> {
  const { topic, key, partition = null, value } = record;
  assert(isTopicName(topic), "an outbox record goes to a topic of the catalogue");
  const bytes = value?.length ?? 0;
  if (bytes > VALUE_MAX_BYTES) {
    throw new VigError("VIG_RECORD_TOO_LARGE", { bytes, limitBytes: VALUE_MAX_BYTES });
  }
  // So that ids of one topic and key are in the order of their commits.
  await lockName(tx, "outbox", `${topic}|${key}`);
  const { count } = await tx.query(ENQUEUE, [topic, key, partition, value]);
  assert(count === 1, "a record is enqueued once");
}
