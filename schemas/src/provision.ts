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

/** A registry whose database is busy writes slowly, and nothing else waits for it here. */
const REGISTER_TIMEOUT_MS = 30_000;

export interface RegisteredSchema {
  readonly subject: string;
  readonly schemaId: number;
}

/**
 * Registers every contract under its subject, compatibility FULL_TRANSITIVE. Idempotent.
 * Throws: VIG_REGISTRY_AWAY; VIG_SCHEMA_INCOMPATIBLE when an earlier version could not be read any more.
 */
export async function registerSchemas(options: {
  readonly registryUrl: string;
  readonly prefix: string;
}): Promise<readonly RegisteredSchema[]> {
  const registry = openRegistry(options.registryUrl, REGISTER_TIMEOUT_MS);
  const registered: RegisteredSchema[] = [];
  for (const topic of topicNames) {
    const subject = subjectOf(options.prefix, topic);
    // Before the first version, so that no version ever comes in unchecked.
    await registry.setCompatibility(subject, "FULL_TRANSITIVE");
    registered.push({ subject, schemaId: await registry.register(subject, registeredText(topic)) });
  }
  return registered;
}
