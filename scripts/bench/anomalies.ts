import { silentLogger } from "@vigie/core/log";
import { openCodecs } from "@vigie/schemas/codecs";
import type { SessionAnomaly } from "@vigie/schemas/types";
import type { BenchStack, Installation } from "./bench-stack.ts";

export interface SeenAnomaly {
  readonly key: string;
  readonly kind: string;
  readonly anomalyId: string;
  readonly seenAtMs: number;
}

/** Follows the anomalies of an installation, read committed, from the beginning until closed. */
export async function followAnomalies(
  servers: BenchStack,
  { prefix, folder }: Installation,
  onAnomaly: (anomaly: SeenAnomaly) => void,
): Promise<() => Promise<void>> {
  const topic = `${prefix}id.session.anomaly`;
  const { registryUrl } = servers;
  const codecs = await openCodecs({ registryUrl, prefix, cacheDir: folder, log: silentLogger });
  const decoder = codecs.decoder<SessionAnomaly>("id.session.anomaly");
  const consumer = servers.client.kafkajs.consumer({
    groupId: `${topic}.bench`,
    readUncommitted: false,
    maxWaitTimeInMs: 20,
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message: { key, value } }) => {
      const seenAtMs = performance.timeOrigin + performance.now();
      if (value === null || key === null) return;
      let decoded = decoder.decode(value);
      while (decoded.kind === "later") {
        await decoded.ready;
        decoded = decoder.decode(value);
      }
      if (decoded.kind !== "ok") return;
      const { kind, anomaly_id: anomalyId } = decoded.value;
      onAnomaly({ key: key.toString(), kind, anomalyId, seenAtMs });
    },
  });
  return () => consumer.disconnect();
}
