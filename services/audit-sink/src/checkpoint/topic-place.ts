import type { KafkaClient } from "@vigie/stream/kafka/client";
import { type LoneReader, openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { openTransactionalProducer } from "@vigie/stream/kafka/transactional-producer";
import type { FetchedRecord } from "@vigie/stream/kafka/types";
import type { SharedPlace } from "./place.ts";

/** Catalogue name; one partition. */
export const CHECKPOINT_TOPIC = "id.audit.checkpoint";

/** One for all signers of an installation, so that the broker fences whoever was before. */
const SIGNER = "vigie.audit-signer";
/** Records behind which the newest one of this log nearly always lies; each is followed by its transaction's marker. */
const TAIL_OFFSETS = 64;

export interface TopicPlaceOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly origin: string;
  /** A step of a publication that takes longer puts it in doubt. Default: the producer's. */
  readonly stepTimeoutMs?: number;
}

/**
 * The checkpoints of the topic. Each is a transaction that also commits the tree's size as the offset of a group of its
 * own: by that a producer whose commit was in doubt sees that another signer has signed meanwhile.
 */
export function topicPlace(options: TopicPlaceOptions): SharedPlace {
  const { client, prefix, origin, stepTimeoutMs } = options;
  const topic = prefix + CHECKPOINT_TOPIC;
  const groupId = prefix + SIGNER;
  const partitions = [{ topic, partition: 0 }];
  const producer = openTransactionalProducer(client, {
    transactionalId: groupId,
    ...(stepTimeoutMs !== undefined && { stepTimeoutMs }),
  });
  return {
    name: "topic",
    async claim() {
      await producer.init({ partitions, groupId });
      await producer.committed(groupId, partitions);
    },
    newest: () => newestNote(options),
    async keep({ size, note }) {
      const message = { partition: 0, key: origin, value: Buffer.from(note) };
      await producer.commit({
        messages: [{ topic, messages: [message] }],
        offsets: [{ topic, partition: 0, offset: Number(size) }],
        groupId,
      });
    },
    close: () => producer.close(),
  };
}

/** The last committed note of an origin. Throws: VIG_TOPIC_MISSING, VIG_BROKER_AWAY. */
export async function newestNote({
  client,
  prefix,
  origin,
}: TopicPlaceOptions): Promise<string | null> {
  const reader = await openLoneReader(client);
  try {
    return (await readTail(reader, prefix + CHECKPOINT_TOPIC, (record) => isOf(record, origin)))
      .note;
  } finally {
    await reader.close();
  }
}

/** The last committed note among those that are wanted, its record, and the offset behind what was read. */
export async function readTail(
  reader: LoneReader,
  topic: string,
  isWanted: (record: FetchedRecord) => boolean,
): Promise<{
  readonly note: string | null;
  readonly record: FetchedRecord | null;
  readonly end: number;
}> {
  const [low = 0] = await reader.lowOffsets(topic);
  const [end = 0] = await reader.stableOffsets(topic);
  let record: FetchedRecord | null = null;
  for (let span = TAIL_OFFSETS; record === null; span *= 16) {
    const from = Math.max(low, end - span);
    await reader.read({ topic, partition: 0, from, to: end }, (records) => {
      record = records.findLast(isWanted) ?? record;
    });
    if (from === low) break;
  }
  return { note: noteOf(record), record, end };
}

/** A note of this origin; a null value would take it away, and is none. */
export const isOf = ({ key, value }: FetchedRecord, origin: string): boolean =>
  value !== null && key?.toString("utf8") === origin;

/** The last note of an origin among records; null: there is none. */
export const lastNote = (records: readonly FetchedRecord[], origin: string): string | null =>
  noteOf(records.findLast((record) => isOf(record, origin)) ?? null);

const noteOf = (record: FetchedRecord | null): string | null =>
  record?.value?.toString("utf8") ?? null;
