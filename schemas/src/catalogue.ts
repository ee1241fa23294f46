import { ABSOLUTE_HOURS_MAX } from "@vigie/core/policy";
import { DAY_MS, HOUR_MS } from "@vigie/core/time";

/** All inputs of one processor have this many partitions; changing it is a migration. */
export const PARTITIONS_DEFAULT = 6;
/** The runtime refuses a longer value: it goes to the dead letters. Source: DESIGN, events and topics. */
export const VALUE_MAX_BYTES = 65_536;
/** A record batch of many values: Kafka's own default, 1 MiB and 12 bytes of overhead. */
const BATCH_MAX_BYTES = 1_048_588;
/** Whatever came in on the source topic, with its error headers. */
const DEAD_LETTER_BATCH_MAX_BYTES = 2 * BATCH_MAX_BYTES;
/** Changelogs roll early so that compaction can reach what was written today. */
const CHANGELOG_SEGMENT_BYTES = 64 * 1_048_576;
export const DEAD_LETTER_RETENTION_MS = 7 * DAY_MS;
/** For how long a record may outlive its retention or its tombstone in a segment. Source: DESIGN, events and topics. */
export const SEGMENT_MS = DAY_MS;
/** Kafka keeps a tombstone for this long after compaction. Source: default of delete.retention.ms. */
const TOMBSTONE_KEPT_MS = DAY_MS;

/** What a topic's key is made of. */
export type KeyShape =
  | "tenant|user"
  | "tenant|user|session"
  | "tenant"
  | "tenant|scope|value"
  | "revocation"
  | "erasure"
  | "emitter"
  | "partition"
  | "tenant|address"
  | "origin"
  | "as it came";

export interface TopicSpec {
  /** A contract of this name exists in schemas/avro; null: the values are no contract of ours. */
  readonly contract: boolean;
  readonly key: KeyShape;
  readonly partitions: number;
  /** How long records are kept, or the newest of each key for ever. */
  readonly keep: { readonly retentionMs: number } | "compacted";
  /** Of a compacted topic: every record, not only the newest of its key, is kept for at least so long. */
  readonly keepAllMs?: number;
  readonly maxMessageBytes: number;
  /** Whether `<topic>.dlq` exists. */
  readonly deadLetters: boolean;
  readonly writtenBy: readonly string[];
  readonly readBy: readonly string[];
}

const days = (count: number) => ({ retentionMs: count * DAY_MS });

const shared = {
  contract: true,
  key: "tenant|user",
  partitions: PARTITIONS_DEFAULT,
  maxMessageBytes: BATCH_MAX_BYTES,
  deadLetters: true,
} as const;

const event = {
  ...shared,
  keep: days(7),
  // The detector sends on what lies in a wrong partition.
  writtenBy: ["upstream", "edge", "detector"],
  readBy: ["detector", "sessions", "session-sink"],
} as const;

/** What geo tells as well: sign-ins and second factors by USSD, and places. */
const eventOfGeo = { ...event, writtenBy: ["upstream", "edge", "geo", "detector"] } as const;

/** Every topic with a contract. Source: DESIGN, events and topics. */
export const topics = {
  "id.login": eventOfGeo,
  "id.heartbeat": event,
  "id.mfa": eventOfGeo,
  "id.geo": eventOfGeo,
  "id.geo.prefs": {
    ...shared,
    keep: "compacted",
    writtenBy: ["geo"],
    readBy: ["edge", "detector"],
  },
  "id.session.command": {
    ...shared,
    keep: days(7),
    writtenBy: ["edge"],
    readBy: ["sessions", "session-sink"],
  },
  "id.session.command.result": {
    ...shared,
    keep: days(7),
    writtenBy: ["sessions"],
    readBy: ["edge", "session-sink"],
  },
  // Read whole by everyone, a record a tenant: one partition keeps their changes in order.
  "id.session.policy": {
    ...shared,
    key: "tenant",
    partitions: 1,
    keep: "compacted",
    writtenBy: ["edge"],
    readBy: ["all"],
  },
  "id.session.epoch": {
    ...shared,
    key: "tenant|scope|value",
    partitions: 1,
    keep: "compacted",
    writtenBy: ["edge"],
    readBy: ["all", "enforcement points"],
  },
  "id.session.state": {
    ...shared,
    key: "tenant|user|session",
    keep: "compacted",
    writtenBy: ["sessions"],
    readBy: ["session-sink", "session-cache", "edge", "geo"],
  },
  "id.session.anomaly": {
    ...shared,
    keep: days(30),
    writtenBy: ["detector", "sessions"],
    readBy: ["SIRA", "sessions", "session-sink", "audit-sink", "edge", "geo"],
  },
  // As long as the events that are judged by it: a backlog of sessions must not look like an outage.
  "id.session.tick": {
    ...shared,
    key: "partition",
    keep: days(7),
    writtenBy: ["edge"],
    readBy: ["sessions", "edge", "geo"],
  },
  // No revocation is forgotten while its session could live; the day is for clocks that differ.
  "id.session.revoked": {
    ...shared,
    keep: { retentionMs: ABSOLUTE_HOURS_MAX * HOUR_MS + DAY_MS },
    writtenBy: ["sessions"],
    readBy: ["enforcement points", "edge", "geo", "session-sink", "session-cache"],
  },
  "id.session.revocation_ack": {
    ...shared,
    key: "revocation",
    keep: days(30),
    writtenBy: ["enforcement points", "edge"],
    readBy: ["session-sink"],
  },
  "id.anomaly.label": {
    ...shared,
    keep: days(30),
    writtenBy: ["edge"],
    readBy: ["SIRA"],
  },
  "id.risk.decision": {
    ...shared,
    keep: days(30),
    writtenBy: ["SIRA"],
    readBy: ["sessions", "session-sink"],
  },
  "id.subject.erasure": {
    ...shared,
    keep: days(30),
    writtenBy: ["edge"],
    readBy: ["detector", "sessions", "session-sink", "audit-sink", "geo"],
  },
  "id.subject.erasure.part": {
    ...shared,
    key: "erasure",
    keep: days(30),
    writtenBy: ["detector", "sessions"],
    readBy: ["session-sink"],
  },
  "id.audit": {
    ...shared,
    key: "emitter",
    keep: days(7),
    writtenBy: ["edge", "geo", "sessions", "operators"],
    readBy: ["audit-sink", "session-sink"],
  },
} as const satisfies Record<string, TopicSpec>;

export type TopicName = keyof typeof topics;

export const topicNames = Object.keys(topics) as readonly TopicName[];

export const isTopicName = (name: string): name is TopicName => Object.hasOwn(topics, name);

/** Topics without a contract: one service writes them, in a layout of its own or a public one that it did not make. */
export const internals = {
  // C2SP signed notes, as text. Auditors follow it; 30 days of every checkpoint let them compare.
  "id.audit.checkpoint": {
    ...shared,
    contract: false,
    key: "origin",
    partitions: 1,
    keep: "compacted",
    keepAllMs: 30 * DAY_MS,
    deadLetters: false,
    writtenBy: ["audit-sink"],
    readBy: ["audit-sink", "auditors"],
  },
  // As long as the logins that it is made of, so that it is there whenever they are. Few, and each partition more is
  // one more in every transaction of the detector, and transactions of its own: docs/decisions/0015.
  "vigie.detector.tries": {
    ...shared,
    contract: false,
    key: "tenant|address",
    partitions: 1,
    keep: days(7),
    writtenBy: ["detector"],
    readBy: ["detector"],
  },
  // Read whole by every worker, and small.
  "vigie.detector-spray.watched": {
    ...shared,
    contract: false,
    key: "tenant|address",
    partitions: 1,
    keep: "compacted",
    deadLetters: false,
    writtenBy: ["detector"],
    readBy: ["detector"],
  },
} as const satisfies Record<string, TopicSpec>;

/** Topics that only their own processor reads and writes: its state, to be restored from. */
export const changelogs = {
  "vigie.detector.changelog": changelog("detector"),
  "vigie.detector-spray.changelog": { ...changelog("detector"), partitions: 1 },
  "vigie.sessions.changelog": changelog("sessions"),
} as const satisfies Record<string, TopicSpec>;

function changelog(service: string): TopicSpec {
  return {
    contract: false,
    key: "as it came",
    partitions: PARTITIONS_DEFAULT,
    keep: "compacted",
    maxMessageBytes: BATCH_MAX_BYTES,
    deadLetters: false,
    writtenBy: [service],
    readBy: [service],
  };
}

/** The name in the broker: the catalogue's own behind the prefix of this installation. */
export const physicalName = (prefix: string, topic: string): string => prefix + topic;

export const deadLetterName = (topic: string): string => `${topic}.dlq`;

/** The registry's name of a topic's values. Source: Confluent's TopicNameStrategy. */
export const subjectOf = (prefix: string, topic: string): string =>
  `${physicalName(prefix, topic)}-value`;

/** How long what was written before, or has a tombstone since, may still lie in a topic. */
export const lingersMs = ({ keep }: Pick<TopicSpec, "keep">): number =>
  keep === "compacted" ? 2 * SEGMENT_MS + TOMBSTONE_KEPT_MS : keep.retentionMs + SEGMENT_MS;
/** The same of every topic's dead letters. */
export const DEAD_LETTERS_LINGER_MS = lingersMs({
  keep: { retentionMs: DEAD_LETTER_RETENTION_MS },
});

/** One topic as the broker is asked for it; @vigie/stream/kafka/admin takes this shape. */
export interface TopicDefinition {
  readonly topic: string;
  readonly partitions: number;
  readonly replicas?: number;
  readonly configs: Readonly<Record<string, string>>;
}

export interface Installation {
  readonly prefix: string;
  /** Default: the broker's own, and its own min.insync.replicas. */
  readonly replicationFactor?: number;
}

/**
 * Every topic of an installation with its dead letters, internal topics and changelogs, by physical name.
 * LogAppendTime throughout: retention, compaction and the order of a merge go by the broker's clock, whatever a
 * producer claims.
 */
export function topicDefinitions(installation: Installation): readonly TopicDefinition[] {
  const all: [string, TopicSpec][] = Object.entries({ ...topics, ...internals, ...changelogs });
  return all.flatMap(([name, spec]) => {
    const definition = define(name, spec, installation);
    return spec.deadLetters ? [definition, deadLetters(name, spec, installation)] : [definition];
  });
}

/** An internal topic by its catalogue name, for the processors that may create it. */
export const internalTopic = (name: keyof typeof internals): TopicDefinition =>
  define(name, internals[name], { prefix: "" });

function define(
  name: string,
  spec: TopicSpec,
  { prefix, replicationFactor }: Installation,
): TopicDefinition {
  const isChangelog = Object.hasOwn(changelogs, name);
  return {
    topic: physicalName(prefix, name),
    partitions: spec.partitions,
    ...(replicationFactor === undefined ? {} : { replicas: replicationFactor }),
    configs: asText({
      "message.timestamp.type": "LogAppendTime",
      "max.message.bytes": spec.maxMessageBytes,
      ...keepConfigs(spec),
      ...(isChangelog ? { "segment.bytes": CHANGELOG_SEGMENT_BYTES } : {}),
      // An acknowledged record is on two brokers wherever there are two.
      ...(replicationFactor === undefined
        ? {}
        : { "min.insync.replicas": Math.min(2, replicationFactor) }),
    }),
  };
}

/** A dead letter lies in the partition in which it came, so it has as many. */
function deadLetters(
  name: string,
  { partitions }: TopicSpec,
  installation: Installation,
): TopicDefinition {
  const spec: TopicSpec = {
    contract: false,
    key: "as it came",
    partitions,
    keep: { retentionMs: DEAD_LETTER_RETENTION_MS },
    maxMessageBytes: DEAD_LETTER_BATCH_MAX_BYTES,
    deadLetters: false,
    writtenBy: ["whoever reads the source topic"],
    readBy: ["operators"],
  };
  return define(deadLetterName(name), spec, installation);
}

/** Source: DESIGN, events and topics: compacted topics are compacted and rolled within 24 h. */
function keepConfigs({
  keep,
  keepAllMs = 0,
}: Pick<TopicSpec, "keep" | "keepAllMs">): Readonly<Record<string, string | number>> {
  return keep === "compacted"
    ? {
        "cleanup.policy": "compact",
        ...(keepAllMs > 0 && { "min.compaction.lag.ms": keepAllMs }),
        "max.compaction.lag.ms": keepAllMs + DAY_MS,
        "segment.ms": SEGMENT_MS,
      }
    : {
        "cleanup.policy": "delete",
        "retention.ms": keep.retentionMs,
        // A record goes with its whole segment: so at most a day after its time.
        "segment.ms": SEGMENT_MS,
      };
}

const asText = (config: Readonly<Record<string, string | number>>) =>
  Object.fromEntries(Object.entries(config).map(([name, value]) => [name, String(value)]));
