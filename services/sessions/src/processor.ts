import { sessionKey } from "@vigie/core/keys";
import { noOutages } from "@vigie/core/outages";
import { ok } from "@vigie/core/outcome";
import { Policies } from "@vigie/schemas/policies";
import type { SessionPolicy, SessionState } from "@vigie/schemas/types";
import type { Encoder } from "@vigie/stream/codec";
import type {
  Effects,
  Emit,
  GlobalTable,
  Input,
  ProcessContext,
  Processor,
} from "@vigie/stream/processor";
import type { Client } from "./client.ts";
import { createStateCodec } from "./codec.ts";
import { decide } from "./decide.ts";
import type { Setting } from "./draft.ts";
import { type Change, evolve } from "./evolve.ts";
import { type Occasion, publicationsOf } from "./publish.ts";
import { emptyState, isEmpty, type UserState } from "./state.ts";
import { type AddressDigest, type SessionEvent, translate } from "./translate.ts";
import { decideWake, withAlarm } from "./wake.ts";

/** Global table of policies by tenant. */
const POLICIES = "policies";

export interface SessionsParts {
  readonly inputs: readonly Input<SessionEvent>[];
  readonly stateEncoder: Encoder<SessionState>;
  readonly policies: GlobalTable<SessionPolicy>;
  readonly digest: AddressDigest;
  readonly clientOf: (userAgent: string) => Client;
  readonly maxEventAgeMs: number;
  /** Told once of a policy document that cannot be used. */
  readonly policyRefused: (tenantId: string, faults: readonly string[]) => void;
}

/** The one place that decides the life of a user's sessions. Everything in it is a value; see decide() for the rules. */
export function sessionsProcessor(
  parts: SessionsParts,
): Processor<UserState, SessionEvent, Occasion> {
  const policies = new Policies(parts.policyRefused);
  const settingOf = (tenantId: string, nowMs: number, context: ProcessContext): Setting => ({
    policy: policies.of(tenantId, (key) => context.lookup<SessionPolicy>(POLICIES, key)),
    outages: noOutages,
    nowMs,
    maxEventAgeMs: parts.maxEventAgeMs,
  });
  const effectsOf = (
    key: string,
    state: UserState,
    changes: readonly Change[],
    setting: Setting,
  ): Effects<UserState, Occasion> => {
    const evolved = withAlarm(changes.reduce(evolve, state), setting);
    return {
      state: isEmpty(evolved) ? null : evolved,
      emit: emitsOf(key, changes, setting, parts.clientOf),
    };
  };
  const output = { topic: "id.session.state", encoder: parts.stateEncoder };
  return {
    name: "sessions",
    inputs: parts.inputs,
    outputs: { began: output, updated: output, ended: output, forgotten: output },
    globals: { [POLICIES]: parts.policies },
    state: createStateCodec(),
    process(record, stored, context) {
      const input = translate(record, parts.digest);
      if (input.kind !== "ok") return input;
      const state = stored ?? emptyState;
      const setting = settingOf(record.value.tenant_id, record.timestampMs, context);
      const decision = decide(state, input.value, setting);
      if (decision.kind !== "ok") return decision;
      return ok(effectsOf(record.key, state, decision.value, setting));
    },
    wakeAtMs: (state) => state.wakeAtMs,
    wake(key, state, context) {
      const setting = settingOf(ownerOf(key).tenantId, context.nowMs, context);
      return effectsOf(key, state, decideWake(state, setting), setting);
    },
  };
}

function emitsOf(
  key: string,
  changes: readonly Change[],
  setting: Setting,
  clientOf: SessionsParts["clientOf"],
): readonly Emit<Occasion>[] {
  const owner = ownerOf(key);
  const { policy, outages } = setting;
  const publish = { ...owner, policy: policy.document, outages, clientOf };
  return publicationsOf(changes, publish).map((publication) => ({
    output: publication.occasion,
    key: sessionKey(owner.tenantId, owner.userId, publication.sessionId),
    value: publication.record,
    // All sessions of a user lie where the user does, so that a reader of a partition sees them whole.
    partitionKey: key,
  }));
}

function ownerOf(key: string): { readonly tenantId: string; readonly userId: string } {
  const at = key.indexOf("|");
  return { tenantId: key.slice(0, at), userId: key.slice(at + 1) };
}
