import type { Logger } from "@vigie/core/log";
import { admitEvent } from "@vigie/schemas/admit";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { SessionPolicy, SessionState } from "@vigie/schemas/types";
import type { Input, Processor } from "@vigie/stream/processor";
import { createClientParser } from "./client.ts";
import { sessionsProcessor } from "./processor.ts";
import type { Occasion } from "./publish.ts";
import type { UserState } from "./state.ts";
import type { AddressDigest, SessionEvent } from "./translate.ts";

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
): Processor<UserState, SessionEvent, Occasion> {
  const { codecs, digest, maxEventAgeMs, log } = options;
  return sessionsProcessor({
    inputs: [
      eventInput("id.login", options),
      eventInput("id.heartbeat", options),
      eventInput("id.mfa", options),
      eventInput("id.geo", options),
    ],
    stateEncoder: codecs.encoder<SessionState>("id.session.state"),
    policies: {
      topic: "id.session.policy",
      optional: true,
      decoder: codecs.decoder<SessionPolicy>("id.session.policy"),
    },
    digest,
    clientOf: createClientParser(),
    maxEventAgeMs,
    policyRefused: (tenantId, faults) => log.warn({ tenantId, faults }, "policy_refused"),
  });
}

type EventTopic = "id.login" | "id.heartbeat" | "id.mfa" | "id.geo";

function eventInput(topic: EventTopic, options: SessionsOptions): Input<SessionEvent> {
  const { codecs, maxEventAgeMs, maxAheadMs } = options;
  return {
    topic,
    order: "merged",
    // Without logins and heartbeats there are no sessions; the others only tell more of them.
    optional: topic === "id.mfa" || topic === "id.geo",
    decoder: codecs.decoder<SessionEvent>(topic),
    // The detector publishes a misplaced record again; once is enough.
    misplaced: "drop",
    admit: ({ value, key, timestampMs }) =>
      admitEvent(topic, value, key, { recordTimestampMs: timestampMs, maxEventAgeMs, maxAheadMs }),
  };
}
