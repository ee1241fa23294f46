import type { Backend } from "../runtime/backend.ts";
import { openAdmin } from "./admin.ts";
import { type KafkaOptions, openKafka } from "./client.ts";
import { joinGroup } from "./group-consumer.ts";
import { openLoneReader } from "./lone-reader.ts";
import { openTransactionalProducer, type TransactionalProducer } from "./transactional-producer.ts";

/** The runtime's Kafka. Throws: VIG_BROKER_AWAY when no broker answers. */
export async function openKafkaBackend(options: KafkaOptions): Promise<Backend> {
  const client = openKafka(options);
  const [admin, reader] = await Promise.all([openAdmin(client), openLoneReader(client)]);
  const producers = new Set<TransactionalProducer>();
  return {
    admin,
    reader,
    openTransactions: (transactionalId, onBroker) => {
      const producer = openTransactionalProducer(client, { transactionalId, onBroker });
      producers.add(producer);
      return {
        init: (left) => producer.init(left),
        committed: (groupId, partitions) => producer.committed(groupId, partitions),
        commit: (commit) => producer.commit(commit),
        close: async () => {
          producers.delete(producer);
          await producer.close();
        },
      };
    },
    joinGroup: (group) => joinGroup(client, group),
    close: async () => {
      // A producer waits for a broker that is away until it is closed.
      const waiting = [...producers].map((producer) => producer.close());
      await Promise.all([admin.close(), reader.close(), ...waiting]);
    },
  };
}
