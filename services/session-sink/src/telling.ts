import type { ActorRef } from "@vigie/schemas/types";
import type { Arrived, Item } from "./decode.ts";
import type { Subject } from "./rows/ids.ts";
import { auditedEvent } from "./rows/security-event.ts";

/** Whom a record tells of. */
export interface Telling {
  /** Whose record it is; null: nobody's in person. */
  readonly subject: Subject | null;
  /** Who else is named in it: who acted, and the admin behind. */
  readonly actor: readonly Subject[];
  readonly atMs: number;
}

type Topic = Item<unknown>["topic"];
type Tellers = {
  readonly [T in Topic]: (value: Extract<Item<unknown>, { topic: T }>["value"]) => Telling | null;
};

const about = (subject: Subject, atMs: number, actor?: ActorRef): Telling => ({
  subject,
  actor: actor === undefined ? [] : personsOf(subject.tenant_id, actor),
  atMs,
});

function personsOf(tenant_id: string, { type, id, impersonator_id }: ActorRef): Subject[] {
  const persons: Subject[] =
    type === "USER" || type === "ADMIN" ? [{ tenant_id, user_id: id }] : [];
  if (impersonator_id !== null) persons.push({ tenant_id, user_id: impersonator_id });
  return persons;
}

const nobody = (): null => null;

const tellers: Tellers = {
  "id.login": (event) => about(event, event.occurred_at),
  "id.heartbeat": (event) => about(event, event.occurred_at),
  "id.mfa": (event) => about(event, event.occurred_at),
  "id.geo": (event) => about(event, event.occurred_at),
  "id.session.state": (state) =>
    about(state, Math.max(state.created_at, state.last_seen_at, state.ended_at ?? 0)),
  "id.session.anomaly": (anomaly) =>
    about(anomaly, Math.min(anomaly.occurred_at, anomaly.detected_at)),
  "id.session.revoked": (revoked) => about(revoked, revoked.revoked_at, revoked.actor),
  "id.session.command": (command) => about(command, command.requested_at, command.actor),
  "id.session.command.result": (result) => about(result, result.decided_at),
  "id.risk.decision": (decision) => about(decision, decision.decided_at),
  "id.session.epoch": (epoch) => ({
    subject: null,
    actor: personsOf(epoch.tenant_id, epoch.actor),
    atMs: epoch.not_before,
  }),
  "id.session.policy": (policy) => ({
    subject: null,
    actor: personsOf(policy.tenant_id, policy.actor),
    atMs: policy.updated_at,
  }),
  "id.audit"(event) {
    const user_id = auditedEvent(event)?.user_key ?? null;
    return user_id === null ? null : about({ ...event, user_id }, event.occurred_at);
  },
  "id.session.revocation_ack": nobody,
  "id.subject.erasure": nobody,
  "id.subject.erasure.part": nobody,
  forgotten: nobody,
};

/** What it tells of has happened by its arrival, whatever time it says. */
export function tellingOf({ topic, value, record }: Item<Arrived>): Telling | null {
  const told = (tellers[topic] as (value: unknown) => Telling | null)(value);
  return told === null ? null : { ...told, atMs: Math.min(told.atMs, record.timestampMs) };
}
