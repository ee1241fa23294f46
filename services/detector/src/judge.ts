import type { PolicyDocument, RuleMode, VersionedPolicy } from "@vigie/core/policy";
import type { Emit } from "@vigie/stream/processor";
import type { AnyRule, EnrichedEvent, EventKind, RuleMeta } from "#rules/rule";
import { type Habits, habitsPart } from "#state/habits";
import type { FreshLogin } from "#state/population";
import type { AnyPart, OpenState } from "#state/user-state";
import { anomalyOf } from "./anomaly.ts";

/** A rule and where its state lies. */
interface Placed {
  readonly rule: AnyRule;
  readonly slot: number;
}

export interface Case {
  readonly event: EnrichedEvent;
  readonly policy: VersionedPolicy;
  /** Of the user. */
  readonly key: string;
  readonly nowMs: number;
}

export interface Judge {
  /** The parts that states are made of. */
  readonly parts: readonly AnyPart[];
  /** What was known of the user before the event. */
  habitsOf(state: OpenState): Habits;
  /** Every rule that looks at such events takes its step in the state; what they find becomes anomalies. */
  judge(state: OpenState, given: Case): Judgement;
}

export interface Judgement {
  readonly emit: readonly Emit<string>[];
  /** What the tenant's population is to count, or null. */
  readonly counted: FreshLogin | null;
}

const nothing: readonly Emit<string>[] = [];
const quiet: Judgement = { emit: nothing, counted: null };
const HABITS = 0;

/** Rules as one table for each kind of event. */
export function createJudge(rules: readonly AnyRule[]): Judge {
  const parts: AnyPart[] = [habitsPart];
  const placed = rules.map((rule): Placed => {
    const { part } = rule.meta;
    const known = parts.findIndex((other) => other.part === part);
    return { rule, slot: known < 0 ? parts.push({ part, codec: rule }) - 1 : known };
  });
  const tables = new Map<EventKind, readonly Placed[]>();
  const tableOf = (kind: EventKind): readonly Placed[] => {
    let table = tables.get(kind);
    if (table === undefined) {
      table = placed.filter(({ rule }) => rule.meta.events.includes(kind));
      tables.set(kind, table);
    }
    return table;
  };
  return {
    parts,
    habitsOf: (state) => state.get<Habits>(HABITS),
    judge(state, { event, policy, key, nowMs }) {
      let emit: Emit<string>[] | null = null;
      let counted: FreshLogin | null = null;
      for (const { rule, slot } of tableOf(event.kind)) {
        const { meta } = rule;
        if (modeOf(meta, policy.document) === "OFF") continue;
        const before = state.get(slot);
        const step = rule.step(before, event, policy.document);
        for (const finding of step.findings) {
          emit ??= [];
          emit.push({
            output: meta.name,
            key,
            value: anomalyOf(meta, finding, event, policy, nowMs),
          });
        }
        if (step.state !== before) state.put(slot, step.state);
        counted = step.counted ?? counted;
      }
      if (event.kind === "login_success") learn(state, event);
      return emit === null && counted === null ? quiet : { emit: emit ?? nothing, counted };
    },
  };
}

export const modeOf = (meta: RuleMeta, document: PolicyDocument): RuleMode =>
  document.rules[meta.name]?.mode ?? meta.mode ?? "ENFORCE";

/** After the rules: what they were told of was the user's before this event. */
const learn = (state: OpenState, event: EnrichedEvent): void =>
  state.put(HABITS, state.get<Habits>(HABITS).after(event));
