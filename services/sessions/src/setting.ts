import { heardUntilMs, noteTick, outagesAt, type Ticks } from "@vigie/core/outages";
import { Policies } from "@vigie/schemas/policies";
import type { SessionEpoch, SessionPolicy } from "@vigie/schemas/types";
import type { AggregateChange, GlobalTable, ProcessContext } from "@vigie/stream/processor";
import { TICKS, type TicksSeen } from "./aggregates.ts";
import type { Setting } from "./draft.ts";
import { epochsOver, laterEpoch, tenantPrefix } from "./epochs.ts";
import { guardOf, loadKey, noLoad, type TenantLoad } from "./guard.ts";

/** Global tables: policies by tenant, epochs by tenant, scope and value. */
const POLICIES = "policies";
const EPOCHS = "epochs";

export interface SettingParts {
  readonly policies: GlobalTable<SessionPolicy>;
  readonly epochs: GlobalTable<SessionEpoch>;
  readonly maxEventAgeMs: number;
  /** Told once of a policy document that cannot be used. */
  readonly policyRefused: (tenantId: string, faults: readonly string[]) => void;
}

/** The key of the policy that every tenant's is laid over. */
const EVERYBODY = "*";

/** A change of either reaches users who do nothing, too: sessions end that the new policy or the epoch ends. */
export const globalsOf = (parts: SettingParts) => ({
  [POLICIES]: {
    ...parts.policies,
    wakes: (tenantId: string) => (tenantId === EVERYBODY ? "" : `${tenantId}|`),
  },
  [EPOCHS]: { ...parts.epochs, fold: laterEpoch, wakes: tenantPrefix },
});

/** What decisions about a tenant's users look at, as it stands in `context`. */
export type SettingOf = (tenantId: string, nowMs: number, context: ProcessContext) => Setting;

export function settings(parts: SettingParts): SettingOf {
  const policies = new Policies(parts.policyRefused);
  return (tenantId, nowMs, context) => {
    const ticks = ticksOf(context);
    return {
      policy: policies.of(tenantId, (key) => context.lookup<SessionPolicy>(POLICIES, key)),
      outages: outagesAt(ticks, nowMs),
      heardUntilMs: heardUntilMs(ticks, nowMs),
      guard: guardOf(loadOf(tenantId, context), nowMs),
      epochOver: epochsOver(tenantId, (key) => context.lookup<SessionEpoch>(EPOCHS, key)),
      nowMs,
      maxEventAgeMs: parts.maxEventAgeMs,
    };
  };
}

export const loadOf = (tenantId: string, context: ProcessContext): TenantLoad =>
  context.aggregate<TenantLoad>(loadKey(tenantId)) ?? noLoad;

const ticksOf = (context: ProcessContext): Ticks =>
  context.aggregate<TicksSeen>(TICKS)?.ticks ?? null;

/** Notes that edge and broker were there when this record was appended. */
export function ticked(atMs: number, context: ProcessContext): readonly AggregateChange[] {
  const ticks = noteTick(ticksOf(context), atMs);
  return ticks === null
    ? []
    : [{ key: TICKS, value: { kind: "ticks", ticks } satisfies TicksSeen }];
}
