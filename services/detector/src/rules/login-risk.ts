import type { PolicyDocument } from "@vigie/core/policy";
import { TRAIT_COUNT, type Traits, traitNames } from "#enrich/traits";
import type { Population } from "#state/population";
import {
  asUsual,
  type Counted,
  type CountedPopulation,
  features,
  rarityOf,
  ratioOf,
  riskOf,
  weighed,
} from "./login-risk-score.ts";
import { Usual } from "./login-risk-usual.ts";
import {
  causedBy,
  type EnrichedEvent,
  type Finding,
  type Rule,
  type RuleMeta,
  type Step,
} from "./rule.ts";

export const meta: RuleMeta = {
  name: "login_risk",
  part: 30,
  version: "1",
  // Freeman et al. and Wiefling et al. learn of logins that succeeded, and ask only where the password was right.
  events: ["login_success"],
  severity: "MEDIUM",
  riskScore: 45,
  // A score of probabilities is to be held against a tenant's own users before it acts on any of them.
  mode: "SHADOW",
  settings: ["login_risk"],
  keepsAlike: true,
};

/** Of fewer logins, a single one moves a share by more than a hundredth. */
const POPULATION_LOGINS_MIN = 100;
/** Traits that the evidence names; every other one weighs less than any of them. */
const TOLD_MAX = 3;
const nothing: readonly Finding[] = [];

export function step(usual: Usual, event: EnrichedEvent, policy: PolicyDocument): Step<Usual> {
  const { traits } = event;
  const counted = { traits, newUser: usual.loginsEver === 0 };
  const next: Step<Usual> = { state: usual.plus(traits), findings: nothing, counted };
  const { logins_min, score_max } = policy.login_risk;
  if (usual.loginsEver < Math.max(1, logins_min)) return next;
  const { population } = event;
  if (population.logins < POPULATION_LOGINS_MIN) return next;
  const scored = scoredLogin(traits, usual, population);
  if (scored.score <= score_max) return next;
  return { ...next, findings: [finding(scored, score_max, event)] };
}

export interface ScoredLogin {
  readonly user: Counted;
  readonly others: CountedPopulation;
  readonly score: number;
}

/** Both must know of logins. */
export function scoredLogin(traits: Traits, usual: Usual, population: Population): ScoredLogin {
  const user = userCounts(usual, traits);
  const others = populationCounts(population, traits);
  return { user, others, score: riskOf(user, others) };
}

const userCounts = (usual: Usual, traits: Traits): Counted => ({
  loginsEver: usual.loginsEver,
  logins: usual.logins,
  counts: usual.countsOf(traits),
});

function populationCounts(population: Population, traits: Traits): CountedPopulation {
  const counts = new Array<number>(TRAIT_COUNT);
  const distinct = new Array<number>(TRAIT_COUNT);
  for (let trait = 0; trait < TRAIT_COUNT; trait++) {
    counts[trait] = population.count(trait, traits[trait] as number);
    distinct[trait] = population.distinct(trait);
  }
  const { loginsEver, logins, users } = population;
  return { loginsEver, logins, users, counts, distinct };
}

function finding(scored: ScoredLogin, limit: number, event: EnrichedEvent): Finding {
  const { user, others, score } = scored;
  const heaviest = weighed(user, others).slice(0, TOLD_MAX);
  const shares = heaviest.map(({ trait }) => [`${trait}_share`, shareOf(trait, user, others)]);
  const ratios = features.map((feature) => [
    `${feature.name}_ratio`,
    ratioOf(feature, user, others).toPrecision(3),
  ]);
  return {
    ...causedBy(event),
    evidence: {
      score: score.toPrecision(3),
      limit: String(limit),
      logins: String(user.loginsEver),
      weighed: heaviest.map(({ trait }) => trait).join(","),
      ...Object.fromEntries(ratios),
      rarity: rarityOf(user, others).toPrecision(3),
      ...Object.fromEntries(shares),
    },
    explanation:
      `The login is ${score.toPrecision(3)} times as likely somebody else's as the user's, and ` +
      `${limit} is the limit; ${remedy(scored, limit)}it would not have fired.`,
  };
}

/** "0.00/0.31": of the user's logins, and of those of the tenant. */
function shareOf(trait: (typeof traitNames)[number], user: Counted, others: Counted): string {
  const at = traitNames.indexOf(trait);
  const share = ({ counts, logins }: Counted) => ((counts[at] as number) / logins).toPrecision(2);
  return `${share(user)}/${share(others)}`;
}

/** The heaviest traits one after the other, as many as bring the score under the limit when they are the user's own. */
function remedy({ user, others }: ScoredLogin, limit: number): string {
  const named: string[] = [];
  for (let better = user; ; ) {
    const heaviest = weighed(better, others)[0];
    if (heaviest === undefined) return "with a higher limit ";
    named.push(heaviest.trait.replace("_", " "));
    better = asUsual(better, traitNames.indexOf(heaviest.trait));
    if (riskOf(better, others) <= limit)
      return `had the user always had this ${named.join(", ")}, `;
  }
}

const write: Rule<Usual>["write"] = (writer, usual) => usual.write(writer);

export const loginRisk: Rule<Usual> = {
  meta,
  initial: Usual.none,
  step,
  write,
  read: Usual.read,
};
