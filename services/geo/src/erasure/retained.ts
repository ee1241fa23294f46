import {
  changelogs,
  DEAD_LETTERS_LINGER_MS,
  lingersMs,
  type TopicSpec,
  topics,
} from "@vigie/schemas/catalogue";

/** Something of where somebody was that `DELETE /v1/geo/prefs` does not reach. */
export interface Retained {
  readonly where: string;
  readonly what: string;
  /** RFC 3339; null: without a date. */
  readonly until: string | null;
}

const EVENT = "places of events, as coarse as was chosen then: the topic keeps every record";

/** Topics that tell where somebody was, and what of it. */
const told = {
  "id.geo": EVENT,
  "id.login": EVENT,
  "id.heartbeat": EVENT,
  "id.mfa": EVENT,
  "id.session.anomaly":
    "countries and towns in the evidence of alarms: the topic keeps every record",
  "id.geo.prefs": "what was chosen: older values go with the next compaction",
  "vigie.detector.changelog":
    "what rules remembered finer than a town: older values go with the next compaction",
} as const;
const specs: Readonly<Record<keyof typeof told, TopicSpec>> = { ...topics, ...changelogs };

/** What is told of the rest, which has no end of its own. */
const others: readonly Retained[] = [
  {
    where: "detector",
    what: "finer than a town until it reads of the erasure; towns for as long as its rules need them",
    until: null,
  },
  {
    where: "sessions",
    what: "country and town of sessions and alarms, for the retention of the policy",
    until: null,
  },
];

/** What stays after an erasure, with its end. */
export function retainedAt(nowMs: number): Retained[] {
  const until = (forMs: number): string => new Date(nowMs + forMs).toISOString();
  const names = Object.keys(told) as (keyof typeof told)[];
  return [
    ...names.map((where) => ({
      where,
      what: told[where],
      until: until(lingersMs(specs[where])),
    })),
    {
      where: "<topic>.dlq",
      what: "records that could not be used, as they came",
      until: until(DEAD_LETTERS_LINGER_MS),
    },
    ...others,
  ];
}
