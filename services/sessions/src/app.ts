import type { Logger } from "@vigie/core/log";
import { ok } from "@vigie/core/outcome";
import { admitEvent } from "@vigie/schemas/admit";
import type { TopicName } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import type {
  AuditEvent,
  SessionAnomaly,
  SessionCommandResult,
  SessionEpoch,
  SessionPolicy,
  SessionRevoked,
  SessionState,
  SubjectErasurePart,
} from "@vigie/schemas/types";
import type { Input, Output, Processor } from "@vigie/stream/processor";
import { createClientParser } from "./client.ts";
import { sessionsProcessor } from "./processor.ts";
import type { OutputName } from "./publish/publish.ts";
import type { UserState } from "./state.ts";
import { type AddressDigest, type SessionEvent, TICK_TOPIC } from "./translate.ts";

export interface SessionsOptions {
  readonly codecs: Codecs;
  readonly digest: AddressDigest;
  readonly maxEventAgeMs: number;
  readonly maxAheadMs: number;
  readonly log: Logger;
}

/** The sessions processor on the contracts: which topics it reads, and what it lets in. */
export function createSessions(
  options: SessionsOptions,
): Processor<UserState, SessionEvent, OutputName> {
  const { codecs, digest, maxEventAgeMs, log } = options;
  return sessionsProcessor({
    inputs: [
      eventInput("id.login", options),
      eventInput("id.heartbeat", options),
      eventInput("id.mfa", options),
      eventInput("id.geo", options),
      // Not in the merge: a backlog of events never delays a revocation.
      eventInput("id.session.command", options, "urgent"),
      eventInput("id.session.anomaly", options, "urgent"),
      eventInput("id.risk.decision", options, "urgent"),
      eventInput("id.subject.erasure", options, "urgent"),
      tickInput(codecs),
    ],
    outputs: outputsOf(codecs),
    epochs: {
      topic: "id.session.epoch",
      optional: true,
      decoder: codecs.decoder<SessionEpoch>("id.session.epoch"),
    },
    policies: {
      topic: "id.session.policy",
      optional: true,
      decoder: codecs.decoder<SessionPolicy>("id.session.policy"),
    },
    digest,
    clientOf: createClientParser(),
    maxEventAgeMs,
    revocationsHeld: (tenantId, rule) => log.error({ tenantId, rule }, "revocations_held"),
    policyRefused: (tenantId, faults) => log.warn({ tenantId, faults }, "policy_refused"),
  });
}

function outputsOf(codecs: Codecs): Readonly<Record<OutputName, Output<never>>> {
  const state = output<SessionState>(codecs, "id.session.state");
  const anomaly = output<SessionAnomaly>(codecs, "id.session.anomaly");
  return {
    began: state,
    updated: state,
    ended: state,
    forgotten: state,
    revoked: output<SessionRevoked>(codecs, "id.session.revoked"),
    result: output<SessionCommandResult>(codecs, "id.session.command.result"),
    concurrent_sessions: anomaly,
    revoked_session_use: anomaly,
    erased: output<SubjectErasurePart>(codecs, "id.subject.erasure.part"),
    audited: output<AuditEvent>(codecs, "id.audit"),
    revocations_held: output<AuditEvent>(codecs, "id.audit"),
  };
}

const output = <V>(codecs: Codecs, topic: TopicName): Output<V> => ({
  topic,
  encoder: codecs.encoder<V>(topic),
});

/** What they tell holds for all that was written before, so that they may come first. */
const tickInput = (codecs: Codecs): Input<SessionEvent> => ({
  topic: TICK_TOPIC,
  order: "urgent",
  optional: true,
  decoder: codecs.decoder<SessionEvent>(TICK_TOPIC),
  misplaced: "drop",
  admit: ({ value }) => ok(value),
});

type EventTopic =
  | "id.login"
  | "id.heartbeat"
  | "id.mfa"
  | "id.geo"
  | "id.session.command"
  | "id.session.anomaly"
  | "id.risk.decision"
  | "id.subject.erasure";

/** Without logins and heartbeats there are no sessions, without commands no revocations; the rest tells more of them. */
const NEEDED: ReadonlySet<EventTopic> = new Set(["id.login", "id.heartbeat", "id.session.command"]);

function eventInput(
  topic: EventTopic,
  options: SessionsOptions,
  order: Input<SessionEvent>["order"] = "merged",
): Input<SessionEvent> {
  const { codecs, maxEventAgeMs, maxAheadMs } = options;
  return {
    topic,
    order,
    optional: !NEEDED.has(topic),
    decoder: codecs.decoder<SessionEvent>(topic),
    // The detector publishes a misplaced record again; once is enough.
    misplaced: "drop",
    admit: ({ value, key, timestampMs }) =>
      admitEvent(topic, value, key, { recordTimestampMs: timestampMs, maxEventAgeMs, maxAheadMs }),
  };
}
