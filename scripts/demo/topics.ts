import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { userKey } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { physicalName, type TopicName } from "@vigie/schemas/catalogue";
import { type Codecs, openCodecs } from "@vigie/schemas/codecs";
import type { SessionAnomaly } from "@vigie/schemas/types";
import type { Parsed } from "@vigie/service-kit/config";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import type { kafkaConfig, registryConfig } from "@vigie/service-kit/shared-config";
import { openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import type { FetchedRecord } from "@vigie/stream/kafka/types";

type UserEvent = { readonly tenant_id: string; readonly user_id: string };
type TopicsConfig = Parsed<typeof kafkaConfig & typeof registryConfig>;

/** Kafka as upstream services and risk engines use it: Avro in, anomalies out. */
export interface Topics {
  /** Produces one Avro record under the user's key; resolves when the broker has it. */
  send(topic: TopicName, event: UserEvent): Promise<void>;
  /** Calls back for every anomaly committed from now on. */
  follow(onAnomaly: (anomaly: SessionAnomaly) => void): Promise<void>;
  close(): Promise<void>;
}

const ANOMALIES = "id.session.anomaly";

export async function openTopics(config: TopicsConfig): Promise<Topics> {
  const { prefix, ...reach } = kafkaOptions(config);
  const cacheDir = mkdtempSync(join(tmpdir(), "vigie-demo-"));
  const registryUrl = config.SCHEMA_REGISTRY_URL;
  const codecs = await openCodecs({ registryUrl, cacheDir, prefix, log: silentLogger });
  const client = openKafka({ ...reach, clientId: "vigie-demo", log: silentLogger });
  const producer = await openBatchingProducer(client);
  const reader = await openLoneReader(client);
  let closing = false;
  return {
    async send(topic, event) {
      const encoder = codecs.encoder<UserEvent>(topic);
      await codecs.ready();
      const key = userKey(event.tenant_id, event.user_id);
      const value = encoder.encode(event);
      await producer.publish({ topic: physicalName(prefix, topic), key, value });
    },
    async follow(onAnomaly) {
      const topic = physicalName(prefix, ANOMALIES);
      const decode = decoderOf(codecs, onAnomaly);
      const ends = await reader.endOffsets(topic);
      await reader.follow(
        ends.map((from, partition) => ({ topic, partition, from })),
        {
          records: (records) => records.forEach(decode),
          failed(error) {
            if (!closing) console.error(`anomalies are no longer followed: ${error.message}`);
          },
        },
      );
    },
    async close() {
      closing = true;
      await Promise.all([producer.close(), reader.close()]);
      codecs.close();
      rmSync(cacheDir, { recursive: true, force: true });
    },
  };
}

function decoderOf(codecs: Codecs, onAnomaly: (anomaly: SessionAnomaly) => void) {
  const decoder = codecs.decoder<SessionAnomaly>(ANOMALIES);
  const decode = (record: FetchedRecord): void => {
    if (record.value === null) return;
    const outcome = decoder.decode(record.value);
    if (outcome.kind === "later") void outcome.ready.then(() => decode(record));
    if (outcome.kind === "ok") onAnomaly(outcome.value);
  };
  return decode;
}
