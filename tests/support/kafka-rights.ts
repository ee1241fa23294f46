import {
  changelogs,
  deadLetterName,
  internals,
  type TopicSpec,
  topics,
} from "@vigie/schemas/catalogue";
import {
  type AclEntry,
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ResourcePatternTypes,
} from "kafkajs";
import type { ServiceName } from "./processes.ts";

/** The rule of docs/operations.md, "Rights in Kafka", as the broker takes it. */

export const SERVICES: readonly ServiceName[] = [
  "edge",
  "geo",
  "detector",
  "sessions",
  "session-sink",
  "session-cache",
  "audit-sink",
];

/** Groups and transactional ids by the service that has them; whatever begins so. */
const NAMES: Readonly<Record<string, { groups: string[]; transactions: string[] }>> = {
  edge: { groups: [], transactions: ["vigie.outbox"] },
  geo: { groups: ["vigie.geo"], transactions: ["vigie.geo"] },
  detector: { groups: ["vigie.detector"], transactions: ["vigie.detector"] },
  sessions: { groups: ["vigie.sessions"], transactions: ["vigie.sessions"] },
  "session-sink": { groups: ["vigie.session-sink"], transactions: [] },
  "session-cache": { groups: ["vigie.session-cache"], transactions: [] },
  "audit-sink": {
    groups: ["vigie.audit-sink", "vigie.audit-signer"],
    transactions: ["vigie.audit-signer"],
  },
};

const isService = (name: string): boolean => SERVICES.some((service) => service === name);

const who = (named: readonly string[]): readonly string[] =>
  named.flatMap((name): readonly string[] => (name === "all" ? SERVICES : [name]));

/** Every right that the services, and outsiders by the catalogue's names for them, have. */
export function leastRights(prefix: string): AclEntry[] {
  const catalogue: [string, TopicSpec][] = Object.entries({
    ...topics,
    ...internals,
    ...changelogs,
  });
  const ofTopics = catalogue.flatMap(([name, { writtenBy, readBy, deadLetters }]) => [
    ...who(writtenBy).map((user) => topicRight(user, prefix + name, AclOperationTypes.WRITE)),
    ...who(readBy).map((user) => topicRight(user, prefix + name, AclOperationTypes.READ)),
    // Whoever reads puts aside what it cannot use.
    ...(deadLetters ? who(readBy).filter((user) => isService(user)) : []).map((user) =>
      topicRight(user, prefix + deadLetterName(name), AclOperationTypes.WRITE),
    ),
  ]);
  const ofNames = Object.entries(NAMES).flatMap(([user, { groups, transactions }]) => [
    ...groups.map((name) =>
      right(user, AclResourceTypes.GROUP, prefix + name, AclOperationTypes.READ),
    ),
    ...transactions.map((name) =>
      right(user, AclResourceTypes.TRANSACTIONAL_ID, prefix + name, AclOperationTypes.WRITE),
    ),
  ]);
  return [...ofTopics, ...ofNames];
}

/** Who makes and configures topics, and neither reads nor writes any. */
export const provisioning = (prefix: string): AclEntry[] =>
  [
    AclOperationTypes.CREATE,
    AclOperationTypes.DESCRIBE,
    AclOperationTypes.ALTER_CONFIGS,
    AclOperationTypes.DESCRIBE_CONFIGS,
  ].map((operation) => right("provision", AclResourceTypes.TOPIC, prefix, operation));

/** A user's name has no space. */
export const userOf = (name: string): string => name.replaceAll(" ", "-");

const topicRight = (user: string, topic: string, operation: AclOperationTypes): AclEntry => ({
  ...right(user, AclResourceTypes.TOPIC, topic, operation),
  resourcePatternType: ResourcePatternTypes.LITERAL,
});

const right = (
  user: string,
  resourceType: AclResourceTypes,
  resourceName: string,
  operation: AclOperationTypes,
): AclEntry => ({
  principal: `User:${userOf(user)}`,
  host: "*",
  resourceType,
  resourceName,
  resourcePatternType: ResourcePatternTypes.PREFIXED,
  operation,
  permissionType: AclPermissionTypes.ALLOW,
});
