import {
  changelogs,
  DEAD_LETTERS_LINGER_MS,
  internals,
  type KeyShape,
  lingersMs,
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

/** Audit entries lie on their topic, too, whoever they are of. */
const AUDIT_TOPIC = "id.audit";

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
      return isPersons && keep !== "compacted" ? [{ name, forMs: lingersMs({ keep }) }] : [];
    }),
    ({ forMs }) => forMs,
  );
  const retained = [...byRetention].map(([forMs, named]) => ({
    where: named.map(({ name }) => name),
    why: "the topic keeps every record for its time",
    untilMs: requestedAtMs + forMs,
  }));
  const compacted = Object.entries(specs).flatMap(([name, { key, keep }]) =>
    keep === "compacted" && PERSONS_KEYS.includes(key) ? [name] : [],
  );
  return [
    {
      where: compacted,
      why: "removed at once; older values go with the next compaction",
      untilMs: requestedAtMs + lingersMs({ keep: "compacted" }),
    },
    ...retained,
    {
      where: ["<topic>.dlq"],
      why: "records that could not be used, as they came",
      untilMs: requestedAtMs + DEAD_LETTERS_LINGER_MS,
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
