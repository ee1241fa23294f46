import type { SinkPosition, SinkRecord } from "@vigie/stream/kafka/sink";

/** From the first to behind the last record of each partition. */
export function nextOf(records: readonly SinkRecord[]): readonly SinkPosition[] {
  const next = new Map<string, SinkPosition>();
  for (const { topic, partition, offset } of records) {
    const held = next.get(`${topic}/${partition}`) ?? { from: offset, offset };
    const from = Math.min(held.from, offset);
    const behind = Math.max(held.offset, offset + 1);
    next.set(`${topic}/${partition}`, { topic, partition, from, offset: behind });
  }
  return [...next.values()];
}
