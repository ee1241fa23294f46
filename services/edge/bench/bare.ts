import { partitionOf } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { openKafka } from "@vigie/stream/kafka/client";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import fastify from "fastify";

/**
 * The baseline: a bare Fastify route that produces the bytes the edge produces and answers after the acknowledgement. No
 * token, no validation, no encoding, no headers, no log, no metrics. `producer`: the edge's own one, so that only the
 * edge's work differs, or that of kafkajs, which such a route would use if there were no Vigie.
 * Input: JSON on the first line of standard input: Setup.
 */
export interface Setup {
  readonly producer: "vigie" | "kafkajs";
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly records: readonly {
    readonly user: string;
    readonly key: string;
    /** In base64. */
    readonly value: string;
  }[];
}

interface Message {
  readonly key: string;
  readonly value: Buffer;
}
type Publish = (
  message: Message,
) => Promise<{ readonly partition: number; readonly offset: number }>;

async function readSetup(): Promise<Setup> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Setup;
}

const { brokers, topic, records, producer } = await readSetup();

const client = openKafka({ brokers, clientId: "bare", log: silentLogger });

async function throughVigie(): Promise<Publish> {
  const batching = await openBatchingProducer(client);
  return (message) => batching.publish({ topic, ...message });
}

/** What comes within a millisecond, and while a request is under way, is one request. Sent at 16 KiB already, as the edge sends it, it had 0.98 of that rate. */
const LINGER_MS = 1;

interface Waiting extends Message {
  readonly partition: number;
  readonly resolve: (written: { partition: number; offset: number }) => void;
}

async function throughKafkajs(): Promise<Publish> {
  const [admin, sender] = [client.kafkajs.admin(), client.kafkajs.producer()];
  await Promise.all([admin.connect(), sender.connect()]);
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  const partitions = topics[0]?.partitions.length ?? 0;
  await admin.disconnect();
  let waiting: Waiting[] = [];
  let sending = false;
  async function send(): Promise<void> {
    while (waiting.length > 0) {
      const messages = waiting;
      waiting = [];
      const written = await sender.send({ topic, messages });
      const next = new Map(written.map((one) => [one.partition, Number(one.baseOffset)]));
      for (const { partition, resolve } of messages) {
        const offset = next.get(partition) as number;
        next.set(partition, offset + 1);
        resolve({ partition, offset });
      }
    }
    sending = false;
  }
  return (message) =>
    new Promise((resolve) => {
      waiting.push({ ...message, partition: partitionOf(message.key, partitions), resolve });
      if (sending) return;
      sending = true;
      setTimeout(() => void send(), LINGER_MS);
    });
}

const values = new Map(
  records.map(({ user, key, value }) => [user, { key, value: Buffer.from(value, "base64") }]),
);
const publish = await { vigie: throughVigie, kafkajs: throughKafkajs }[producer]();
const app = fastify();
app.post("/v1/events/login", async (request, reply) => {
  const { user_id: user, event_id: eventId } = request.body as Record<string, string>;
  const message = values.get(user ?? "");
  if (message === undefined) throw new Error("the bodies are those of the benchmark");
  const { partition, offset } = await publish(message);
  reply.code(202);
  return { event_id: eventId, topic, partition, offset };
});
const url = await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${JSON.stringify({ event: "listening", url })}\n`);
process.once("SIGTERM", () => process.exit(0));
