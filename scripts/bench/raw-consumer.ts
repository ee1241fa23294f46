/**
 * The bare baseline: plain kafkajs reading topics from their beginning, no decoding, no state, no transaction.
 * Usage: raw-consumer.ts BROKER GROUP RECORDS TOPIC...  Prints one JSON line {records, seconds}.
 */
import { Kafka, logLevel } from "kafkajs";

// Of timers that kafkajs sets in the past.
process.removeAllListeners("warning");

const [broker, groupId, wanted, ...topics] = process.argv.slice(2);
if (broker === undefined || groupId === undefined || wanted === undefined) process.exit(64);

const kafka = new Kafka({ brokers: [broker], clientId: "bench-raw", logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({
  groupId,
  // The same fetch sizes as the runtime's, so that only the work differs.
  maxBytesPerPartition: 2 * 1_048_576,
  minBytes: 1,
});
await consumer.connect();
await consumer.subscribe({ topics, fromBeginning: true });

let records = 0;
let startMs = 0;
await new Promise<void>((resolve, reject) => {
  consumer
    .run({
      autoCommitInterval: 1_000,
      eachBatch: async ({ batch }) => {
        if (startMs === 0) startMs = performance.now();
        records += batch.messages.length;
        if (records >= Number(wanted)) resolve();
      },
    })
    .catch(reject);
});
const seconds = (performance.now() - startMs) / 1_000;
process.stdout.write(`${JSON.stringify({ records, seconds })}\n`);
await consumer.disconnect();
