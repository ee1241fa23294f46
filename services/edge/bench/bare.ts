import { silentLogger } from "@vigie/core/log";
import { openKafka } from "@vigie/stream/kafka/client";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import fastify from "fastify";

/**
 * The baseline: a bare Fastify route that produces the bytes the edge produces, through the same producer, and
 * answers after the acknowledgement. No token, no validation, no encoding, no headers, no log, no metrics.
 * Input: JSON on the first line of standard input: brokers, topic, and per user key and bytes in base64.
 */
interface Setup {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly records: readonly {
    readonly user: string;
    readonly key: string;
    readonly value: string;
  }[];
}

async function readSetup(): Promise<Setup> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Setup;
}

const { brokers, topic, records } = await readSetup();
const values = new Map(
  records.map(({ user, key, value }) => [user, { key, value: Buffer.from(value, "base64") }]),
);
const client = openKafka({ brokers, clientId: "bare", log: silentLogger });
const producer = await openBatchingProducer(client);
const app = fastify();
app.post("/v1/events/login", async (request, reply) => {
  const { user_id: user, event_id: eventId } = request.body as Record<string, string>;
  const record = values.get(user ?? "");
  if (record === undefined) throw new Error("the bodies are those of the benchmark");
  const { partition, offset } = await producer.publish({ topic, ...record });
  reply.code(202);
  return { event_id: eventId, topic, partition, offset };
});
const url = await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${JSON.stringify({ event: "listening", url })}\n`);
process.once("SIGTERM", () => process.exit(0));
