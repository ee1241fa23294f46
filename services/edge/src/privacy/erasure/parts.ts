import { DAY_MS } from "@vigie/core/time";
import {
  changelogs,
  internals,
  type KeyShape,
  SEGMENT_MS,
  type TopicSpec,
  topics,
} from "@vigie/schemas/catalogue";

/** The tables that only the edge writes; done with the request itself. */
export const EDGE_PART = "edge";
/** Each tells when it is done. */
export const expectedParts = [
  EDGE_PART,
  "sessions",
  "detector",
  "session-sink",
  "audit-sink",
  "geo",
] as const;

/** Where something of the person stays for a while, or for good. */
export interface Retained {
  readonly where: readonly string[];
  readonly why: string;
  /** ms; null: no end. */
  readonly untilMs: number | null;
}

/** Kafka keeps a tombstone for this long after compaction. Source: default of delete.retention.ms. */
const TOMBSTONE_KEPT_MS = DAY_MS;
/** Audit entries lie on their topic, too, whoever they are of. */
const AUDIT_TOPIC = "id.audit";
const DEAD_LETTERS_MS = 7 * DAY_MS;

/** Logins by address: those that succeeded name the person. */
const TRIES_TOPIC = "vigie.detector.tries";

/** Keys that name a person; changelogs have those of what they are the state of. */
const PERSONS_KEYS: readonly KeyShape[] = ["tenant|user", "tenant|user|session", "as it came"];

const specs: Readonly<Record<string, TopicSpec>> = { ...topics, ...internals, ...changelogs };

/** What no deletion reaches before its time, with that time. The latest end is that of the erasure. */
export function retainedOf(requestedAtMs: number): readonly Retained[] {
  const byRetention = Map.groupBy(
    Object.entries(specs).flatMap(([name, { key, keep }]) => {
      const isPersons = key === "tenant|user" || name === AUDIT_TOPIC || name === TRIES_TOPIC;
      return isPersons && keep !== "compacted" ? [{ name, keptMs: keep.retentionMs }] : [];
    }),
    ({ keptMs }) => keptMs,
  );
  const retained = [...byRetention].map(([keptMs, named]) => ({
    where: named.map(({ name }) => name),
    why: "the topic keeps every record for its time",
    untilMs: requestedAtMs + keptMs + SEGMENT_MS,
  }));
  const compacted = Object.entries(specs).flatMap(([name, { key, keep }]) =>
    keep === "compacted" && PERSONS_KEYS.includes(key) ? [name] : [],
  );
  return [
    {
      where: compacted,
      why: "removed at once; older values go with the next compaction",
      untilMs: requestedAtMs + 2 * SEGMENT_MS + TOMBSTONE_KEPT_MS,
    },
    ...retained,
    {
      where: ["<topic>.dlq"],
      why: "records that could not be used, as they came",
      untilMs: requestedAtMs + DEAD_LETTERS_MS + SEGMENT_MS,
    },
    {
      where: ["audit"],
      why: "legal evidence, by pseudonym; what it holds of the person opens no more",
      untilMs: null,
    },
  ];
}

/** When the last retention that has an end has passed. */
export const clearAtMs = (requestedAtMs: number): number =>
  Math.max(...retainedOf(requestedAtMs).map(({ untilMs }) => untilMs ?? 0));
