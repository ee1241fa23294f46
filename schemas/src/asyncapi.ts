import {
  isTopicName,
  type KeyShape,
  type TopicName,
  type TopicSpec,
  topicNames,
  topics,
} from "./catalogue.ts";
import type { Contract } from "./contracts.ts";
import type { YamlMap } from "./yaml.ts";

/** The description of all topics that somebody outside Vigie writes or reads, as AsyncAPI 3.0. */

/** Those of the catalogue's writers and readers that are no part of Vigie. */
export const OUTSIDERS: ReadonlySet<string> = new Set(["upstream", "SIRA", "enforcement points"]);

/** Source: https://github.com/asyncapi/bindings/tree/master/kafka */
const BINDING = "0.5.0";
/** Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0#multiFormatSchemaObject */
const AVRO = "application/vnd.apache.avro+json;version=1.9.0";

const INTRODUCTION =
  "What the systems around Vigie write to it and read of it on Kafka: upstream services and risk engines, and the " +
  "enforcement points that stop honouring a session. Names stand behind the installation's VIGIE_TOPIC_PREFIX. " +
  "Values are Avro in Confluent's wire format: a zero byte, the schema's id in four bytes, big endian, then the value; " +
  "the subject is <topic>-value, its compatibility FULL_TRANSITIVE, so fields with defaults and symbols of enums may " +
  "come. Read with isolation.level=read_committed. Keys are UTF-8 and choose the partition by murmur2, as Java's " +
  "default partitioner and librdkafka's murmur2_random do. The HTTP API is described by OpenAPI at /docs/json of the edge.";

const keys: Readonly<Partial<Record<KeyShape, { readonly example: string; readonly of: string }>>> =
  {
    "tenant|user": { example: "molam-sn|u-1", of: "tenant_id and user_id of the value" },
    "tenant|scope|value": {
      example: "molam-sn|ROLE|teller",
      of: "tenant_id, scope and value of the value; nothing behind the last bar for a whole tenant",
    },
    revocation: {
      example: "5b1f3d0c-7c1e-5f6a-a0d9-b7f4e2c86d15",
      of: "revocation_id of the value",
    },
  };

/** Topics that somebody outside writes or reads. */
export const publicTopics: readonly TopicName[] = topicNames.filter(
  (topic) => outsidersIn(topics[topic].writtenBy).length + outsidersIn(topics[topic].readBy).length,
);

export function asyncapiDocument(contracts: ReadonlyMap<string, Contract>): YamlMap {
  const all = [...contracts.values()].filter(
    ({ topic }) => isTopicName(topic) && publicTopics.includes(topic),
  );
  const by = (part: (contract: Contract, spec: TopicSpec) => YamlMap): YamlMap =>
    Object.assign({}, ...all.map((each) => part(each, topics[each.topic as TopicName])));
  return {
    asyncapi: "3.0.0",
    id: "urn:vigie:topics",
    info: { title: "Vigie", version: "1.0.0", description: INTRODUCTION },
    servers: {
      development: {
        host: "127.0.0.1:9092",
        protocol: "kafka",
        description: "As `npm start` brings it up.",
        bindings: {
          kafka: {
            schemaRegistryUrl: "http://127.0.0.1:8081/apis/ccompat/v7",
            schemaRegistryVendor: "apicurio",
            bindingVersion: BINDING,
          },
        },
      },
    },
    channels: by(channelOf),
    operations: by(operationsOf),
    components: { messages: by(messageOf) },
  };
}

const channelOf = ({ topic, schema }: Contract, spec: TopicSpec): YamlMap => ({
  [topic]: {
    address: topic,
    description: schema.doc ?? "",
    messages: { [schema.name]: { $ref: `#/components/messages/${schema.name}` } },
    bindings: {
      kafka: {
        topic,
        partitions: spec.partitions,
        topicConfiguration: {
          ...(spec.keep === "compacted"
            ? { "cleanup.policy": ["compact"] }
            : { "cleanup.policy": ["delete"], "retention.ms": spec.keep.retentionMs }),
          "max.message.bytes": spec.maxMessageBytes,
        },
        bindingVersion: BINDING,
      },
    },
  },
});

/** Said of Vigie: what outsiders write it receives, what they read it sends. */
function operationsOf({ topic, schema }: Contract, { writtenBy, readBy }: TopicSpec): YamlMap {
  const operation = (action: string, whose: string): YamlMap => ({
    action,
    summary: `${schema.name} ${whose}.`,
    channel: { $ref: `#/channels/${topic}` },
    messages: [{ $ref: `#/channels/${topic}/messages/${schema.name}` }],
  });
  const writers = outsidersIn(writtenBy);
  const readers = outsidersIn(readBy);
  return {
    ...(writers.length === 0
      ? {}
      : { [`receive.${topic}`]: operation("receive", `of ${writers.join(", ")}`) }),
    ...(readers.length === 0
      ? {}
      : { [`send.${topic}`]: operation("send", `for ${readers.join(", ")}`) }),
  };
}

function messageOf({ topic, schema }: Contract, spec: TopicSpec): YamlMap {
  const key = keys[spec.key];
  return {
    [schema.name]: {
      name: `${schema.namespace}.${schema.name}`,
      title: schema.name,
      contentType: "application/vnd.apache.avro",
      payload: {
        schemaFormat: AVRO,
        schema: { $ref: `../schemas/avro/${topic}.avsc` },
      },
      bindings: {
        kafka: {
          key: {
            type: "string",
            description: `${spec.key}: ${key?.of ?? ""}`,
            examples: [key?.example ?? ""],
          },
          schemaIdLocation: "payload",
          schemaIdPayloadEncoding: "confluent",
          schemaLookupStrategy: "TopicNameStrategy",
          bindingVersion: BINDING,
        },
      },
    },
  };
}

function outsidersIn(names: readonly string[]): readonly string[] {
  return names.filter((name) => OUTSIDERS.has(name));
}
