/** Names of a processor in Kafka; `prefix` sets installations on one cluster apart. */
export interface Names {
  readonly groupId: string;
  readonly changelog: string;
  transactionalId(partition: number): string;
  /** Physical name of a catalogue topic. */
  physical(topic: string): string;
}

export function namesOf(processor: string, prefix: string): Names {
  const groupId = `${prefix}vigie.${processor}`;
  return {
    groupId,
    changelog: `${groupId}.changelog`,
    transactionalId: (partition) => `${groupId}.${partition}`,
    physical: (topic) => prefix + topic,
  };
}
