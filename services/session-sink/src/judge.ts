import { sessionKey } from "@vigie/core/keys";
import { dlq, drop, type Outcome, ok } from "@vigie/core/outcome";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import type { TopicValues } from "@vigie/schemas/types";
import type { SinkTopic } from "./decode.ts";

/** 9999-12-31T23:59:59.999Z: the last time whose ISO 8601 form PostgreSQL and we write alike. */
const TIME_MAX_MS = 253_402_300_799_999;
/** Oldest and newest day that a record of our own topics may open, from its arrival. */
const BEHIND_MAX_MS = 400 * DAY_MS;
const AHEAD_MAX_MS = DAY_MS;
/** A person's future is not erased; clocks of edges differ by less. Source: DESIGN, what is wrong with a record. */
const ERASURE_AHEAD_MAX_MS = 5 * MINUTE_MS;

/** Topics that our own services write. */
export type OurTopic = Exclude<SinkTopic, "id.login" | "id.heartbeat" | "id.mfa" | "id.geo">;

/** The times of a record; where `near`, they also lie near its arrival. */
interface Times {
  readonly fields: readonly string[];
  readonly near?: { readonly aheadMaxMs: number };
}

const near = { aheadMaxMs: AHEAD_MAX_MS };

const TIMES: Readonly<Record<OurTopic, Times>> = {
  "id.session.state": {
    fields: [
      "created_at",
      "last_seen_at",
      "idle_expires_at",
      "absolute_expires_at",
      "ended_at",
      "step_up_required_at",
    ],
  },
  "id.session.anomaly": { fields: ["occurred_at", "detected_at"], near },
  "id.session.revoked": { fields: ["revoked_at"], near },
  "id.session.command": { fields: ["requested_at"], near },
  "id.session.command.result": { fields: ["decided_at"], near },
  "id.session.revocation_ack": { fields: ["acted_at"], near },
  "id.session.epoch": { fields: ["not_before"] },
  "id.session.policy": { fields: ["updated_at"] },
  "id.risk.decision": { fields: ["decided_at"], near },
  "id.audit": { fields: ["occurred_at"], near },
  "id.subject.erasure": {
    fields: ["requested_at"],
    near: { aheadMaxMs: ERASURE_AHEAD_MAX_MS },
  },
  "id.subject.erasure.part": { fields: ["done_at"], near },
};

interface Arrival {
  readonly key: string;
  readonly recordTimestampMs: number;
}

/** What our own services publish is judged too: one bad record must not hold up a partition. */
export function judgeOurs(topic: OurTopic, value: object, arrival: Arrival): Outcome<object> {
  if (topic === "id.session.state") {
    const { tenant_id, user_id, session_id, status } = value as TopicValues[typeof topic];
    if (arrival.key !== sessionKey(tenant_id, user_id, session_id)) {
      return dlq("VIG_RECORD_KEY_MISMATCH");
    }
    if (status === "UNKNOWN") return drop("unknown_kind");
  }
  return timeFault(TIMES[topic], value, arrival) ?? ok(value);
}

const isTime = (ms: number): boolean => Number.isFinite(ms) && ms >= 0 && ms <= TIME_MAX_MS;

function timeFault(
  { fields, near }: Times,
  value: object,
  arrival: Arrival,
): Outcome<never> | null {
  for (const path of fields) {
    const ms = (value as Readonly<Record<string, number | null>>)[path] ?? null;
    if (ms === null) continue;
    if (!isTime(ms)) {
      return dlq("VIG_EVENT_FIELD_INVALID", {
        path,
        why: "is not a time of the years 1970 to 9999",
      });
    }
    if (near === undefined) continue;
    const aheadMs = ms - arrival.recordTimestampMs;
    if (aheadMs > near.aheadMaxMs) return dlq("VIG_EVENT_AHEAD", { aheadMs });
    if (-aheadMs > BEHIND_MAX_MS) return dlq("VIG_EVENT_TOO_OLD", { behindMs: -aheadMs });
  }
  return null;
}
