import { setTimeout as pause } from "node:timers/promises";
import { VigError } from "@vigie/core/errors";
import { type Installation, subjectOf, topicDefinitions, topicNames } from "./catalogue.ts";
import { registeredText } from "./codec-core.ts";
import { openRegistry } from "./registry.ts";

/** What provisioning asks of the broker; @vigie/stream/kafka/admin offers it. */
export interface TopicAdmin {
  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Creates what is missing, leaves what exists. Returns: the created. */
  createTopics(
    definitions: readonly {
      readonly topic: string;
      readonly partitions: number;
      readonly replicas?: number;
      readonly configs?: Readonly<Record<string, string>>;
    }[],
  ): Promise<readonly string[]>;
  topicConfigs(topic: string): Promise<Readonly<Record<string, string>>>;
  setTopicConfigs(topic: string, configs: Readonly<Record<string, string>>): Promise<void>;
}

export interface ProvisionedTopics {
  readonly created: readonly string[];
  /** Existed with other settings, and were brought to the catalogue's. */
  readonly configured: readonly string[];
  /** Exist with another partition count, which only a migration may change: left as they are. */
  readonly differing: readonly {
    readonly topic: string;
    readonly wanted: number;
    readonly found: number;
  }[];
}

/** Brings the broker's topics to the catalogue. Idempotent; deletes nothing. */
export async function provisionTopics(
  admin: TopicAdmin,
  installation: Installation,
): Promise<ProvisionedTopics> {
  const definitions = topicDefinitions(installation);
  const before = await admin.partitionCounts(definitions.map(({ topic }) => topic));
  const created = await admin.createTopics(definitions);
  const configured: string[] = [];
  for (const { topic, configs } of definitions.filter(({ topic }) => before.has(topic))) {
    const current = await admin.topicConfigs(topic);
    if (Object.entries(configs).every(([name, value]) => current[name] === value)) continue;
    await admin.setTopicConfigs(topic, configs);
    configured.push(topic);
  }
  const differing = definitions.flatMap(({ topic, partitions: wanted }) => {
    const found = before.get(topic) ?? wanted;
    return found === wanted ? [] : [{ topic, wanted, found }];
  });
  return { created, configured, differing };
}

/**
 * A registry whose database is busy writes slowly or leaves a request without an answer, and one that is started anew is
 * away for some seconds; nothing else waits for it here. Pauses double from the first one: 15.5 s in all.
 */
const PATIENCE = { requestTimeoutMs: 20_000, attemptsMax: 6, pauseFirstMs: 500 };

export interface RegisteredSchema {
  readonly subject: string;
  readonly schemaId: number;
}

/**
 * Registers every contract under its subject, compatibility FULL_TRANSITIVE. Idempotent.
 * Throws: VIG_REGISTRY_AWAY when one of them failed six times, each within 20 s and after a pause;
 * VIG_SCHEMA_INCOMPATIBLE when an earlier version could not be read any more.
 */
export async function registerSchemas(options: {
  readonly registryUrl: string;
  readonly prefix: string;
  readonly requestTimeoutMs?: number;
}): Promise<readonly RegisteredSchema[]> {
  const { registryUrl, prefix, requestTimeoutMs = PATIENCE.requestTimeoutMs } = options;
  const registry = openRegistry(registryUrl, requestTimeoutMs);
  const registered: RegisteredSchema[] = [];
  for (const topic of topicNames) {
    const subject = subjectOf(prefix, topic);
    // Before the first version, so that no version ever comes in unchecked.
    await patiently(() => registry.setCompatibility(subject, "FULL_TRANSITIVE"));
    const schemaId = await patiently(() => registry.register(subject, registeredText(topic)));
    registered.push({ subject, schemaId });
  }
  return registered;
}

/** Asks again while the registry is away: what is asked of it here is the same the second time. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const isAway = error instanceof VigError && error.code === "VIG_REGISTRY_AWAY";
      if (!isAway || attempt === PATIENCE.attemptsMax) throw error;
      await pause(PATIENCE.pauseFirstMs * 2 ** (attempt - 1));
    }
  }
}
