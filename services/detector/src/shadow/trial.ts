import { hashText } from "@vigie/core/bytes";
import { canonicalJson } from "@vigie/core/canonical-json";
import { type PolicyDocument, policyFor, type VersionedPolicy } from "@vigie/core/policy";
import { isInShare, modeFor } from "@vigie/core/policy-shares";
import type { EnrichedEvent, RuleMeta } from "#rules/rule";

/** A candidate policy as it is tried on one kind of session, beside the policy in force. */
export interface Trial {
  /** 12 hexadecimal digits of the candidate's content: another content is another candidate. */
  readonly name: string;
  /** The same as a number of 48 bits; never 0. */
  readonly tag: number;
  /** As it counts for the session. */
  readonly policy: VersionedPolicy;
  /** Whether the rule has other settings to step by, or only in one of the two is off. */
  stepsOtherwise(meta: RuleMeta, event: EnrichedEvent): boolean;
  /** Whether what the rule finds is told of otherwise: by mode, action or risk. */
  tellsOtherwise(meta: RuleMeta, event: EnrichedEvent): boolean;
}

/** Parts of a document that no rule of the detector steps by. */
const notSteppedBy: ReadonlySet<string> = new Set([
  "idle_timeout",
  "absolute_timeout",
  "max_concurrent_sessions",
  "session_retention",
  "activity_retention",
  "rules",
  "channels",
  "roles",
] satisfies (keyof PolicyDocument)[]);

const NAME_DIGITS = 12;
const CANDIDATE = "candidate";

/** The trial that a user's event is part of, or null. Costs a look when no candidate is set. */
export function trialFor(policy: VersionedPolicy, event: EnrichedEvent): Trial | null {
  const { candidate, document, version } = policy;
  if (candidate === undefined || !isInShare(candidate.share, event, CANDIDATE)) return null;
  const tried = policyFor(candidate.document, event);
  let trials = known.get(document);
  if (trials === undefined) {
    trials = new WeakMap();
    known.set(document, trials);
  }
  let trial = trials.get(tried);
  if (trial === undefined) {
    trial = trialOf(nameOf(candidate.document), document, { version, document: tried });
    trials.set(tried, trial);
  }
  return trial;
}

const known = new WeakMap<PolicyDocument, WeakMap<PolicyDocument, Trial>>();
const namesKnown = new WeakMap<PolicyDocument, string>();

function nameOf(document: PolicyDocument): string {
  let name = namesKnown.get(document);
  if (name === undefined) {
    name = hashText(canonicalJson(document)).slice(0, NAME_DIGITS);
    namesKnown.set(document, name);
  }
  return name;
}

/** How two policies treat a rule for one user. */
interface Treatment {
  readonly stepsOtherwise: boolean;
  readonly tellsOtherwise: boolean;
}

function trialOf(name: string, live: PolicyDocument, policy: VersionedPolicy): Trial {
  const tried = policy.document;
  const differing = (Object.keys(live) as (keyof PolicyDocument)[]).filter(
    (part) => !notSteppedBy.has(part) && canonicalJson(live[part]) !== canonicalJson(tried[part]),
  );
  const treat = (meta: RuleMeta, event: EnrichedEvent): Treatment => {
    const [one, other] = [live.rules[meta.name], tried.rules[meta.name]];
    const now = modeFor(one, meta.name, event, meta.mode);
    const then = modeFor(other, meta.name, event, meta.mode);
    return {
      stepsOtherwise:
        (now === "OFF") !== (then === "OFF") ||
        differing.some((part) => meta.settings?.includes(part) ?? true),
      tellsOtherwise:
        now !== then || one?.action !== other?.action || one?.risk_score !== other?.risk_score,
    };
  };
  // Without a share all users are treated alike, and this is asked for every rule of every event.
  const ofAll = new Map<RuleMeta, Treatment | null>();
  const treatment = (meta: RuleMeta, event: EnrichedEvent): Treatment => {
    let known = ofAll.get(meta);
    if (known === undefined) {
      const isShared = [live, tried].some(({ rules }) => rules[meta.name]?.share !== undefined);
      known = isShared ? null : treat(meta, event);
      ofAll.set(meta, known);
    }
    return known ?? treat(meta, event);
  };
  return {
    name,
    // Content whose hash is 0 shares its forks with content whose hash is 1: two among 2^48.
    tag: Number.parseInt(name, 16) || 1,
    policy,
    stepsOtherwise: (meta, event) => treatment(meta, event).stepsOtherwise,
    tellsOtherwise: (meta, event) => treatment(meta, event).tellsOtherwise,
  };
}
