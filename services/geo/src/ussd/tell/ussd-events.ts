import type { Clock } from "@vigie/core/time";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { LoginEvent, LoginKind, MfaEvent } from "@vigie/schemas/types";
import { nameUuid } from "@vigie/service-kit/ids";
import type { EventOutput } from "@vigie/service-kit/output/event-output";
import { keyOf, type Person } from "../../person.ts";
import type { StepId } from "../sessions/converse.ts";

export type LoginFact =
  | { readonly kind: "AUTH_SUCCESS" | "LOGOUT" }
  | { readonly kind: "AUTH_FAIL"; readonly reason: "wrong_pin" | "pin_locked" };
export type MfaFact = Pick<MfaEvent, "kind" | "factor">;

/** Resolves once the broker has it. Throws: VIG_BROKER_AWAY, VIG_BUFFER_FULL. */
export interface UssdEvents {
  login(person: Person, at: StepId, fact: LoginFact): Promise<void>;
  mfa(person: Person, at: StepId, fact: MfaFact): Promise<void>;
}

/** In place of a step: what is done to a dialogue from outside. */
export const FROM_OUTSIDE = -1;

/** The session of a person's dialogue, as all topics name it. */
export const sessionOf = ({ tenantId }: Person, { dialogue }: StepId): string =>
  nameUuid(tenantId, "session", dialogue);

/** The same for the same step, however often it is done: readers take it once. */
export const eventIdOf = ({ tenantId }: Person, at: StepId, what: string): string =>
  nameUuid(tenantId, "event", `ussd|${at.dialogue}|${at.position}|${what}`);

/** What USSD tells the other services of a person. The network is the operator's: there is no address, no device. */
export function createUssdEvents(options: {
  readonly codecs: Codecs;
  readonly output: Pick<EventOutput, "publish">;
  readonly clock: Clock;
}): UssdEvents {
  const { codecs, output, clock } = options;
  const logins = codecs.encoder<LoginEvent>("id.login");
  const factors = codecs.encoder<MfaEvent>("id.mfa");
  const head = (person: Person, at: StepId, what: string) => ({
    event_id: eventIdOf(person, at, what),
    tenant_id: person.tenantId,
    user_id: person.userId,
    occurred_at: clock(),
    channel: "USSD" as const,
    network: null,
    device: null,
    location: null,
    sim: null,
    source: "geo",
  });
  return {
    async login(person, at, fact) {
      const failed = fact.kind === "AUTH_FAIL";
      const value = logins.encode({
        ...head(person, at, fact.kind),
        kind: fact.kind satisfies LoginKind,
        session_id: failed ? null : sessionOf(person, at),
        user_type: "UNKNOWN",
        org_id: null,
        roles: [],
        login_method: "pin",
        failure_reason: failed ? fact.reason : null,
        absolute_expires_at: null,
        upstream_session_ref: null,
      });
      await output.publish({ topic: "id.login", key: keyOf(person), value });
    },
    async mfa(person, at, { kind, factor }) {
      const value = factors.encode({
        ...head(person, at, `${factor}|${kind}`),
        kind,
        factor,
        session_id: sessionOf(person, at),
      });
      await output.publish({ topic: "id.mfa", key: keyOf(person), value });
    },
  };
}
