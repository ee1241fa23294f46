import { CLIENT_AT, TRAIT_COUNT, type TraitName, traitNames } from "#enrich/traits";

/**
 * The weight of each trait within its feature, in the order of `traitNames`. Source: the open implementation of
 * Wiefling et al., "Pump Up Password Security!" (ACM TOPS 2022), github.com/das-group/rba-algorithm,
 * `feature_weightings`: address 0.6, 0.3, 0.1; client 0.5387, 0.2680, 0.1882, 0.0051.
 */
const weights: readonly number[] = [
  0.6, 0.3, 0.1, 0.5386653840551359, 0.2680451498625666, 0.18818295100109536, 0.0051065150812021525,
];
/**
 * How many times as likely a feature is for somebody else, at the least, when the user has none of its values.
 * Source: the same, `local_likelihood = global_likelihood / 4`.
 */
const UNKNOWN_RATIO_MIN = 4;

/** Traits from `from` to `to`, the narrowest first. */
interface Feature {
  readonly name: "network" | "client";
  readonly from: number;
  readonly to: number;
}

export const features: readonly Feature[] = [
  { name: "network", from: 0, to: CLIENT_AT },
  { name: "client", from: CLIENT_AT, to: TRAIT_COUNT },
];

/** How often a login's value of each trait came, of so many logins. */
export interface Counted {
  readonly loginsEver: number;
  /** Those that the counts stand for. */
  readonly logins: number;
  readonly counts: ArrayLike<number>;
}

export interface CountedPopulation extends Counted {
  readonly users: number;
  /** How many different values each trait has. */
  readonly distinct: ArrayLike<number>;
}

/**
 * How likely a login is somebody else's against the user's own: the product over the features of p(x) / p(x|u), times
 * how rarely this user logs in. Both must have logins.
 * Returns: above 0; 1 is as likely the one as the other.
 * Source: Freeman et al. (NDSS 2016), equation 7, without data on attackers: every user is attacked alike.
 */
export function riskOf(user: Counted, population: CountedPopulation): number {
  return features.reduce(
    (risk, feature) => risk * ratioOf(feature, user, population),
    rarityOf(user, population),
  );
}

/** p(u|attack) / p(u): a user who logs in seldom is the less likely one. */
export const rarityOf = (user: Counted, population: CountedPopulation): number =>
  population.loginsEver / (population.users * user.loginsEver);

/** p(x) / p(x|u) of one feature. */
export function ratioOf(feature: Feature, user: Counted, population: CountedPopulation): number {
  const anybody = likelihood(feature, population);
  const own = ownLikelihood(feature, user);
  if (own > 0) return anybody / own;
  return Math.max(UNKNOWN_RATIO_MIN, anybody / leastLikelihood(feature, user));
}

/**
 * The weighted mean of the shares of a feature's traits in the population. The narrowest is smoothed: one count in
 * N + M for a value never seen, with room for as many unseen ones as the wider traits have values, and one more.
 * Source: `get_likelihood` and `get_unseen_values` of the implementation named above.
 */
function likelihood({ from, to }: Feature, population: CountedPopulation): number {
  const { logins, counts, distinct } = population;
  let unseen = 1;
  let sum = 0;
  for (let trait = from + 1; trait < to; trait++) {
    unseen += distinct[trait] as number;
    sum += ((weights[trait] as number) * (counts[trait] as number)) / logins;
  }
  const narrowest = Math.max(1, counts[from] as number) / (logins + unseen);
  return sum + (weights[from] as number) * narrowest;
}

/** The same of the user, who is not smoothed: what was never used tells. */
export function ownLikelihood({ from, to }: Feature, { logins, counts }: Counted): number {
  let sum = 0;
  for (let trait = from; trait < to; trait++) sum += weightedShare(trait, counts, logins);
  return sum;
}

const weightedShare = (trait: number, counts: ArrayLike<number>, logins: number): number =>
  ((weights[trait] as number) * (counts[trait] as number)) / logins;

/** Below what a single login with the widest trait is worth, so that a value once used never counts as worse. */
const leastLikelihood = ({ from, to }: Feature, { logins }: Counted): number =>
  Math.min(...weights.slice(from, to)) / (logins + 1);

/** A trait, and how many times lower the score were had its value been the user's in every login. */
export interface Weighed {
  readonly trait: TraitName;
  readonly factor: number;
}

/** What made the score, the heaviest first; traits that all of the user's logins had are left out. */
export function weighed(user: Counted, population: CountedPopulation): readonly Weighed[] {
  const all: Weighed[] = [];
  for (const feature of features) {
    const ratio = ratioOf(feature, user, population);
    for (let trait = feature.from; trait < feature.to; trait++) {
      const factor = ratio / ratioOf(feature, asUsual(user, trait), population);
      if (factor > 1) all.push({ trait: traitNames[trait] as TraitName, factor });
    }
  }
  return all.sort((a, b) => b.factor - a.factor);
}

/** The user as one who had this value of a trait in every login. */
export const asUsual = (user: Counted, trait: number): Counted => ({
  ...user,
  counts: Array.from(user.counts, (count, i) => (i === trait ? user.logins : count)),
});
