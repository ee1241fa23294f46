import type { Backend } from "../runtime/backend.ts";
import { openAdmin } from "./admin.ts";
import { type KafkaOptions, openKafka } from "./client.ts";
import { joinGroup } from "./group-consumer.ts";
import { openLoneReader } from "./lone-reader.ts";
import { openTransactionalProducer } from "./transactional-producer.ts";

/** The runtime's Kafka. Throws: VIG_BROKER_AWAY when no broker answers. */
export async function openKafkaBackend(options: KafkaOptions): Promise<Backend> {
  const client = openKafka(options);
  const [admin, reader] = await Promise.all([openAdmin(client), openLoneReader(client)]);
  return {
    admin,
    reader,
    openTransactions: (transactionalId, onBroker) =>
      openTransactionalProducer(client, { transactionalId, onBroker }),
    joinGroup: (group) => joinGroup(client, group),
    close: async () => {
      await Promise.all([admin.close(), reader.close()]);
    },
  };
}
