import type { PolicyDocument, RuleMode, RuleSwitch } from "@vigie/core/policy";
import { modeFor } from "@vigie/core/policy-shares";
import type { Emit } from "@vigie/stream/processor";
import { type AnyRule, type EnrichedEvent, type EventKind, off } from "#rules/rule";
import { dropShadow, ShadowSteps, shadowPart } from "#shadow/shadow";
import { trialFor } from "#shadow/trial";
import { type Habits, habitsPart } from "#state/habits";
import type { FreshLogin } from "#state/population";
import { PRECISION_MAX, type Precision, precisionPart } from "#state/precision";
import type { AnyPart, OpenState } from "#state/user-state";
import { type Case, publish, type Tell } from "./tell.ts";

/** A rule and where its state lies. */
interface Placed {
  readonly rule: AnyRule;
  readonly slot: number;
}

/** A rule by a policy document, of which there are few: what does not hang on the user is reckoned once. */
interface Planned extends Placed {
  readonly own: RuleSwitch | undefined;
  /** The mode for every user; null: it goes by the user. */
  readonly fixed: RuleMode | null;
}

/** The rules that look at each kind of event. */
type Plan = { readonly [Kind in EventKind]?: readonly Planned[] };
const noRules: readonly Planned[] = [];

function planFor(placed: readonly Placed[], document: PolicyDocument): Plan {
  const plan: { [Kind in EventKind]?: Planned[] } = {};
  for (const { rule, slot } of placed) {
    const { name, events, mode } = rule.meta;
    const own = document.rules[name];
    const fixed = own?.share === undefined ? (own?.mode ?? mode ?? "ENFORCE") : null;
    for (const kind of events) {
      plan[kind] ??= [];
      plan[kind].push({ rule, slot, own, fixed });
    }
  }
  return plan;
}

export interface Judge {
  /** The parts that states are made of. */
  readonly parts: readonly AnyPart[];
  /** To what the user lets places be kept. */
  precisionOf(state: OpenState): Precision;
  /** From here on the user lets places be kept to this only: those that are held are cut where they are finer. */
  keepNoFiner(state: OpenState, precision: Precision): void;
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
/** Among the first that are written: never left out. */
const PRECISION = 1;

/** Rules as one table for each kind of event. */
export function createJudge(rules: readonly AnyRule[], tell: Tell = publish): Judge {
  const parts: AnyPart[] = [habitsPart, precisionPart];
  const placed = rules.map((rule): Placed => {
    const { part } = rule.meta;
    const known = parts.findIndex((other) => other.part === part);
    return { rule, slot: known < 0 ? parts.push({ part, codec: rule }) - 1 : known };
  });
  // The last one: where a state grows too large, it is left out before any live part.
  const shadow = parts.push(shadowPart(rules)) - 1;
  const plans = new WeakMap<PolicyDocument, Plan>();
  const planOf = (document: PolicyDocument): Plan => {
    let plan = plans.get(document);
    if (plan === undefined) {
      plan = planFor(placed, document);
      plans.set(document, plan);
    }
    return plan;
  };
  return {
    parts,
    precisionOf: (state) => state.get<Precision>(PRECISION),
    keepNoFiner(state, precision) {
      const before = state.get<Precision>(PRECISION);
      if (precision === before) return;
      if (precision < before) coarsenAll(parts, state, precision);
      if (precision === PRECISION_MAX) state.drop(PRECISION);
      else state.put(PRECISION, precision);
    },
    habitsOf: (state) => state.get<Habits>(HABITS),
    judge(state, given) {
      const { event, policy } = given;
      const trial = trialFor(policy, event);
      if (trial === null) dropShadow(state, shadow);
      const beside = trial && new ShadowSteps(trial, event, state, shadow);
      let emit: Emit<string>[] | null = null;
      let counted: FreshLogin | null = null;
      for (const { rule, slot, fixed, own } of planOf(policy.document)[event.kind] ?? noRules) {
        const { meta } = rule;
        const mode = fixed ?? modeFor(own, meta.name, event, meta.mode);
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

function coarsenAll(parts: readonly AnyPart[], state: OpenState, precision: Precision): void {
  parts.forEach(({ codec }, slot) => {
    if (codec.coarsened === undefined || !state.has(slot)) return;
    state.put(slot, codec.coarsened(state.get(slot), precision));
  });
}

/** After the rules: what they were told of was the user's before this event. */
const learn = (state: OpenState, event: EnrichedEvent): void =>
  state.put(HABITS, state.get<Habits>(HABITS).after(event));
