import { nameUuid } from "@vigie/service-kit/ids";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { type AuditEntry, ownEntry } from "#entry";
import { CHECKPOINT_TOPIC, isOf, readTail } from "./topic-place.ts";

export const LOG_CONTINUED = "audit.log_continued";
/** Records of Vigie itself have no tenant; docs/audit-format.md. */
const PLATFORM_TENANT = "platform";

/**
 * Of a log that was never signed, on a topic where another one was: the entry that it begins with, which names the last
 * checkpoint of the other one. Null: there is no other one. It is the same however often it is made.
 */
export async function continuationOf(about: {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly origin: string;
}): Promise<AuditEntry | null> {
  const { client, prefix, origin } = about;
  const reader = await openLoneReader(client);
  try {
    const topic = prefix + CHECKPOINT_TOPIC;
    const { record, note } = await readTail(
      reader,
      topic,
      (each) => each.value !== null && !isOf(each, origin),
    );
    if (record === null) return null;
    const { partition, offset, timestampMs } = record;
    const what = {
      eventId: nameUuid(PLATFORM_TENANT, "event", `continued|${origin}`),
      tenantKey: PLATFORM_TENANT,
      occurredAtMs: timestampMs,
      action: LOG_CONTINUED,
      payload: { origin, after: note },
    };
    return ownEntry(what, { topic: CHECKPOINT_TOPIC, partition, offset, timestampMs });
  } finally {
    await reader.close();
  }
}
