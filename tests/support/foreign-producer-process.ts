/**
 * A producer of another team: stock client, stock partitioner, nothing of Vigie; in a process of its own, since
 * Vigie repairs the library where it loads it. Sends what its parent says and answers when all replicas have it.
 */
import { CompressionTypes, Kafka, logLevel } from "kafkajs";

interface Order {
  readonly id: number;
  readonly topic: string;
  readonly records: readonly {
    readonly key: string | null;
    readonly value: string | null;
    readonly partition: number | null;
  }[];
}

const client = new Kafka({
  clientId: "another-team",
  brokers: [process.argv[2] ?? ""],
  logLevel: logLevel.NOTHING,
  // Outages in the tests last seconds; a producer worth its name waits them out.
  retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 300 },
});
// Its default partitioner is Java's hash, so keys lie where every other client puts them.
const producer = client.producer({ idempotent: true, maxInFlightRequests: 1 });
await producer.connect();

const bytes = (text: string | null): Buffer | null =>
  text === null ? null : Buffer.from(text, "base64");

process.on("message", ({ id, topic, records }: Order) => {
  const messages = records.map(({ key, value, partition }) => ({
    key: bytes(key),
    value: bytes(value),
    ...(partition === null ? {} : { partition }),
  }));
  producer.send({ topic, acks: -1, compression: CompressionTypes.GZIP, messages }).then(
    () => process.send?.({ id, error: null }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.on("disconnect", () => {
  void producer.disconnect().finally(() => process.exit(0));
});
process.send?.({ id: 0, error: null });
