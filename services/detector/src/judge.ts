import { modeFor } from "@vigie/core/policy-shares";
import type { Emit } from "@vigie/stream/processor";
import type { AnyRule, EnrichedEvent, EventKind, Step } from "#rules/rule";
import { dropShadow, ShadowSteps, shadowPart } from "#shadow/shadow";
import { trialFor } from "#shadow/trial";
import { type Habits, habitsPart } from "#state/habits";
import type { FreshLogin } from "#state/population";
import type { AnyPart, OpenState } from "#state/user-state";
import { type Case, publish, type Tell } from "./tell.ts";

/** A rule and where its state lies. */
interface Placed {
  readonly rule: AnyRule;
  readonly slot: number;
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
export function createJudge(rules: readonly AnyRule[], tell: Tell = publish): Judge {
  const parts: AnyPart[] = [habitsPart];
  const placed = rules.map((rule): Placed => {
    const { part } = rule.meta;
    const known = parts.findIndex((other) => other.part === part);
    return { rule, slot: known < 0 ? parts.push({ part, codec: rule }) - 1 : known };
  });
  // The last one: where a state grows too large, it is left out before any live part.
  const shadow = parts.push(shadowPart(rules)) - 1;
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
    judge(state, given) {
      const { event, policy } = given;
      const trial = trialFor(policy, event);
      if (trial === null) dropShadow(state, shadow);
      const beside = trial && new ShadowSteps(trial, event, state, shadow);
      let emit: Emit<string>[] | null = null;
      let counted: FreshLogin | null = null;
      for (const { rule, slot } of tableOf(event.kind)) {
        const { meta } = rule;
        const mode = modeFor(policy.document.rules[meta.name], meta.name, event, meta.mode);
        if (mode === "OFF" && trial === null) continue;
        const before = state.get(slot);
        const step = mode === "OFF" ? off : rule.step(before, event, policy.document);
        const tried = beside?.step(rule, before, step) ?? null;
        if (step.findings.length > 0) {
          const isShared = beside !== null && tried === null;
          emit ??= [];
          for (const finding of step.findings) {
            emit.push(tell({ ...given, meta, finding, candidate: null, isShared }));
          }
        }
        if (trial !== null && tried !== null && tried.findings.length > 0) {
          emit ??= [];
          const its = { ...given, policy: trial.policy, meta, candidate: trial.name };
          for (const finding of tried.findings) {
            emit.push(tell({ ...its, finding, isShared: false }));
          }
        }
        if (step !== off && step.state !== before) state.put(slot, step.state);
        counted = step.counted ?? tried?.counted ?? counted;
      }
      if (event.kind === "login_success") learn(state, event);
      return emit === null && counted === null ? quiet : { emit: emit ?? nothing, counted };
    },
  };
}

/** Of a rule that is off. */
const off: Step<unknown> = { state: undefined, findings: [] };

/** After the rules: what they were told of was the user's before this event. */
const learn = (state: OpenState, event: EnrichedEvent): void =>
  state.put(HABITS, state.get<Habits>(HABITS).after(event));
