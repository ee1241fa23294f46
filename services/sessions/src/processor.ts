import { drop, ok } from "@vigie/core/outcome";
import { erasedUntilMs, isErased, rememberErased } from "@vigie/service-kit/erasures";
import type {
  AggregateChange,
  Effects,
  Input,
  Output,
  ProcessContext,
  Processor,
} from "@vigie/stream/processor";
import { AUDIT_SEQ, type AuditSeq, createAggregateCodec } from "./aggregates.ts";
import type { Client } from "./client.ts";
import { createStateCodec } from "./codec.ts";
import { decide } from "./decide/decide.ts";
import type { Setting } from "./draft.ts";
import { type Change, evolve } from "./evolve.ts";
import { loadAfter, loadKey } from "./guard.ts";
import type { SessionInput } from "./input.ts";
import type { AuditNumbers } from "./publish/audit.ts";
import { type Owner, ownerOf } from "./publish/owner.ts";
import { emitsOf, type OutputName } from "./publish/publish.ts";
import { globalsOf, loadOf, type SettingParts, settings, ticked } from "./setting.ts";
import { emptyState, isEmpty, type UserState } from "./state.ts";
import { type AddressDigest, type SessionEvent, TICK_TOPIC, translate } from "./translate.ts";
import { decideWake, withAlarm } from "./wake.ts";

export interface SessionsParts extends SettingParts {
  readonly inputs: readonly Input<SessionEvent>[];
  readonly outputs: Readonly<Record<OutputName, Output<never>>>;
  readonly digest: AddressDigest;
  readonly clientOf: (userAgent: string) => Client;
  /** Told when anomalies of a rule would revoke more of a tenant's sessions than may be, at most every 5 min. */
  readonly revocationsHeld: (tenantId: string, rule: string) => void;
}

/** The one place that decides the life of a user's sessions. Everything in it is a value; see decide() for the rules. */
export function sessionsProcessor(
  parts: SessionsParts,
): Processor<UserState, SessionEvent, OutputName> {
  const settingOf = settings(parts);
  const effectsOf = (
    owner: Owner,
    state: UserState,
    changes: readonly Change[],
    setting: Setting,
    context: ProcessContext,
  ): Effects<UserState, OutputName> => {
    const evolved = withAlarm(changes.reduce(evolve, state), setting);
    const audit = auditNumbers(context);
    const held = changes.find(({ type }) => type === "held");
    if (held?.type === "held") parts.revocationsHeld(owner.tenantId, held.rule);
    return {
      state: isEmpty(evolved) ? null : evolved,
      emit: emitsOf(changes, { ...setting, ...owner, clientOf: parts.clientOf, audit }),
      aggregates: [
        ...audit.taken(),
        ...loaded(owner.tenantId, changes, setting, context),
        ...erased(owner, changes, context),
      ],
    };
  };
  return {
    name: "sessions",
    inputs: parts.inputs,
    outputs: parts.outputs,
    globals: globalsOf(parts),
    state: createStateCodec(),
    aggregate: createAggregateCodec(),
    process(record, stored, context) {
      if (record.topic === TICK_TOPIC) {
        const aggregates = ticked(record.timestampMs, context);
        return ok({ state: stored, emit: [], aggregates });
      }
      const input = translate(record, parts.digest);
      if (input.kind !== "ok") return input;
      const owner = ownerOf(record.key);
      if (isLate(input.value, owner, context)) return drop("erased");
      const state = stored ?? newState(owner, context);
      const setting = settingOf(owner.tenantId, record.timestampMs, context);
      const decision = decide(state, input.value, setting);
      if (decision.kind !== "ok") return decision;
      return ok(effectsOf(owner, state, decision.value, setting, context));
    },
    wakeAtMs: (state) => state.wakeAtMs,
    wake(key, state, context) {
      const owner = ownerOf(key);
      const setting = settingOf(owner.tenantId, context.nowMs, context);
      return effectsOf(owner, state, decideWake(state, setting), setting, context);
    },
  };
}

/** PRV-14: what happened before its person was erased. */
const isLate = (input: SessionInput, owner: Owner, context: ProcessContext): boolean =>
  input.kind !== "erasure_requested" && isErased(owner.tenantId, owner.userId, input.atMs, context);

/** A person who was erased begins anew, and no session of before comes back. */
function newState(owner: Owner, context: ProcessContext): UserState {
  const notBeforeMs = erasedUntilMs(owner, context);
  return notBeforeMs === 0 ? emptyState : { ...emptyState, notBeforeMs };
}

const erased = (
  owner: Owner,
  changes: readonly Change[],
  context: ProcessContext,
): readonly AggregateChange[] =>
  changes.flatMap((change) =>
    change.type === "erased" ? rememberErased(owner, change.atMs, context) : [],
  );

/** The guard's count of the tenant, where a step moves it. */
function loaded(
  tenantId: string,
  changes: readonly Change[],
  { nowMs }: Setting,
  context: ProcessContext,
): readonly AggregateChange[] {
  const load = loadOf(tenantId, context);
  const value = loadAfter(load, changes, nowMs);
  return value === load ? [] : [{ key: loadKey(tenantId), value }];
}

interface TakenNumbers extends AuditNumbers {
  taken(): readonly AggregateChange[];
}

/** The numbers go on where the last effects of this partition ended: they are committed with what they number. */
function auditNumbers(context: ProcessContext): TakenNumbers {
  const first = context.aggregate<AuditSeq>(AUDIT_SEQ)?.last ?? 0;
  let last = first;
  return {
    emitter: `vigie.sessions.${context.partition}`,
    next: () => {
      last += 1;
      return last;
    },
    taken: () =>
      last === first
        ? []
        : [{ key: AUDIT_SEQ, value: { kind: "audit_seq", last } satisfies AuditSeq }],
  };
}
