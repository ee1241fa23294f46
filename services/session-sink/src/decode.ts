import { dlq, drop, type Outcome, ok } from "@vigie/core/outcome";
import { admitEvent } from "@vigie/schemas/admit";
import type { TopicName } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codecs";
import type { TopicValues } from "@vigie/schemas/types";
import { judgeOurs, type OurTopic } from "./judge.ts";

export const sinkTopics = [
  "id.login",
  "id.heartbeat",
  "id.mfa",
  "id.geo",
  "id.session.state",
  "id.session.anomaly",
  "id.session.revoked",
  "id.session.command",
  "id.session.command.result",
  "id.session.revocation_ack",
  "id.session.epoch",
  "id.session.policy",
  "id.risk.decision",
  "id.audit",
  "id.subject.erasure",
  "id.subject.erasure.part",
] as const satisfies readonly TopicName[];
export type SinkTopic = (typeof sinkTopics)[number];

/** Topics whose records upstream made: their times are judged against their arrival. */
const EVENT_TOPICS: readonly string[] = ["id.login", "id.heartbeat", "id.mfa", "id.geo"];

/** A session that the state topic has forgotten. */
export interface Forgotten {
  readonly tenant_id: string;
  readonly user_id: string;
  readonly session_id: string;
}

/** What is known of any record: nothing that it tells of happened after its arrival. */
export interface Arrived {
  readonly timestampMs: number;
}

/** One record as the sink works with it; `record` is what it came in. */
export type Item<R> =
  | {
      [T in SinkTopic]: { readonly topic: T; readonly value: TopicValues[T]; readonly record: R };
    }[SinkTopic]
  | { readonly topic: "forgotten"; readonly value: Forgotten; readonly record: R };

/** What decoding needs of a record. */
export interface RawRecord {
  /** Catalogue name. */
  readonly topic: string;
  readonly timestampMs: number;
  readonly key: string;
  readonly value: Buffer | null;
}

export interface DecodeLimits {
  readonly maxEventAgeMs: number;
  readonly maxAheadMs: number;
}

export type Decode = <R extends RawRecord>(record: R) => Promise<Outcome<Item<R>>>;

/** Waits while the registry is away and a writer schema is not known yet. */
export function createDecode(codecs: Codecs, limits: DecodeLimits): Decode {
  const decoders = Object.fromEntries(
    sinkTopics.map((topic) => [topic, codecs.decoder<object>(topic)]),
  );
  return async (record) => {
    const decoder = decoders[record.topic];
    if (decoder === undefined) return dlq("VIG_INVARIANT", { what: "the topic is one of ours" });
    if (record.value === null) return tombstone(record);
    let decoded = decoder.decode(record.value);
    while (decoded.kind === "later") {
      await decoded.ready;
      decoded = decoder.decode(record.value);
    }
    if (decoded.kind !== "ok") return decoded;
    const judged = judge(record, decoded.value, limits);
    if (judged.kind !== "ok") return judged;
    return ok({ topic: record.topic, value: judged.value, record } as Item<typeof record>);
  };
}

function judge(record: RawRecord, value: object, limits: DecodeLimits): Outcome<object> {
  const { topic, key, timestampMs: recordTimestampMs } = record;
  const ours = { maxEventAgeMs: Number.POSITIVE_INFINITY, maxAheadMs: Number.POSITIVE_INFINITY };
  const admitted = admitEvent(topic as SinkTopic, value, key, {
    recordTimestampMs,
    ...(EVENT_TOPICS.includes(topic) ? limits : ours),
  });
  if (admitted.kind !== "ok") return admitted;
  return EVENT_TOPICS.includes(topic)
    ? admitted
    : judgeOurs(topic as OurTopic, value, { key, recordTimestampMs });
}

function tombstone<R extends RawRecord>(record: R): Outcome<Item<R>> {
  // What is in force is told by others; history stays.
  if (record.topic === "id.session.policy" || record.topic === "id.session.epoch") {
    return drop("no_effect");
  }
  if (record.topic !== "id.session.state") return dlq("VIG_RECORD_NULL");
  const [tenant_id = "", user_id = "", ...rest] = record.key.split("|");
  const session_id = rest.join("|");
  if (tenant_id === "" || user_id === "" || session_id === "") {
    return dlq("VIG_RECORD_KEY_MISMATCH");
  }
  return ok({ topic: "forgotten", value: { tenant_id, user_id, session_id }, record });
}
