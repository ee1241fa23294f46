import type { KafkaAdmin } from "../kafka/admin.ts";
import type { GroupConsumer, GroupConsumerOptions } from "../kafka/group-consumer.ts";
import type { LoneReader } from "../kafka/lone-reader.ts";
import type { TransactionalProducer } from "../kafka/transactional-producer.ts";

/** All that the runtime needs of Kafka: the real one, or its twin in memory. */
export interface Backend {
  readonly admin: Pick<
    KafkaAdmin,
    "partitionCounts" | "createTopics" | "endOffsets" | "stableOffsets" | "lowOffsets" | "clusterId"
  >;
  readonly reader: Pick<LoneReader, "read" | "follow">;
  /** Opens nothing yet: init() does. */
  openTransactions(
    transactionalId: string,
    onBroker: (up: boolean, why?: string) => void,
  ): TransactionalProducer;
  joinGroup(options: GroupConsumerOptions): Promise<GroupConsumer>;
  /** Ends everything; what is under way rejects. */
  close(): Promise<void>;
}
