import { silentLogger } from "@vigie/core/log";
import type { PolicyOverlay } from "@vigie/core/policy";
import { openCodecs } from "@vigie/schemas/codecs";
import type { SessionPolicy } from "@vigie/schemas/types";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import type { BenchStack, Installation } from "./bench-stack.ts";

/** Puts a policy for all tenants into the topic, as the edge does for an operator. */
export async function publishPolicy(
  { client, registryUrl }: BenchStack,
  { prefix, folder }: Installation,
  policy: PolicyOverlay,
): Promise<void> {
  const cacheDir = folder;
  const codecs = await openCodecs({ registryUrl, prefix, cacheDir, log: silentLogger });
  const encoder = codecs.encoder<SessionPolicy>("id.session.policy");
  await codecs.ready();
  const value = encoder.encode({
    tenant_id: "*",
    version: 1,
    updated_at: Date.now(),
    actor: { type: "ADMIN", id: "bench", impersonator_id: null },
    document: JSON.stringify(policy),
  });
  const producer = await openBatchingProducer(client);
  await producer.publish({ topic: `${prefix}id.session.policy`, key: "*", value });
  await producer.close();
}
