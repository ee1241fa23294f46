import { VigError } from "@vigie/core/errors";
import type { KafkaClient } from "./client.ts";
import { type LoneReader, openLoneReader } from "./lone-reader.ts";
import { pause } from "./pause.ts";
import type { EncodedBatch, Written } from "./sender.ts";
import type { TransactionPlan } from "./transaction.ts";
import type { TopicPartitionOffset } from "./types.ts";

/** A batch and where it may lie: a new place each time that it was written. */
interface Placed extends EncodedBatch {
  readonly baseOffsets: number[];
}

/** A commit whose end was asked for: all that readers have to find of it. */
export interface Acknowledged {
  readonly offsets: readonly TopicPartitionOffset[];
  readonly groupId: string;
  readonly token: string;
  readonly batches: readonly Placed[];
}

export const acknowledged = (
  { offsets, groupId, token }: TransactionPlan,
  written: readonly Written[],
): Acknowledged => ({
  offsets,
  groupId,
  token,
  batches: written.map(({ topic, partition, bytes, count, baseOffset }) => ({
    topic,
    partition,
    bytes,
    count,
    baseOffsets: [baseOffset],
  })),
});

/** Another producer's open transaction may stand before what is looked for; brokers end those after 15 s. */
const LOOK_TIMEOUT_MS = 30_000;

/** The batches of a commit that no reader of committed records finds. Throws: VIG_BROKER_AWAY. */
export async function missingOf(client: KafkaClient, commit: Acknowledged): Promise<Placed[]> {
  if (commit.batches.length === 0) return [];
  const reader = await openLoneReader(client);
  const late = pause(LOOK_TIMEOUT_MS).then(() => {
    throw new VigError("VIG_BROKER_AWAY", { why: "a written batch cannot be read back in time" });
  });
  late.catch(() => undefined);
  try {
    const found = Promise.all(commit.batches.map((batch) => isFound(reader, batch)));
    const isThere = await Promise.race([found, late]);
    return commit.batches.filter((_, at) => isThere[at] === false);
  } finally {
    await reader.close();
  }
}

async function isFound(reader: LoneReader, batch: Placed): Promise<boolean> {
  const { topic, partition, count, baseOffsets } = batch;
  for (const from of baseOffsets) {
    // The broker knew the batch as written before, but no longer where.
    if (from < 0) return true;
    let records = 0;
    await reader.read({ topic, partition, from, to: from + count }, (read) => {
      records += read.length;
    });
    if (records > 0) return true;
  }
  return false;
}
