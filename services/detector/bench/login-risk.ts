import { parseArgs } from "node:util";
import { TRAIT_COUNT, type Traits } from "../src/enrich/traits.ts";
import { scoredLogin } from "../src/rules/login-risk.ts";
import { Usual } from "../src/rules/login-risk-usual.ts";
import { FRESH_MAX, FreshLogins, Population } from "../src/state/population.ts";
import { randomOf } from "../src/testing/random.ts";
import { People, type Person } from "./login-risk-people.ts";

/**
 * How well the login risk score tells attackers from users: synthetic people of one tenant and partition log in for
 * some weeks; after the first of them every login is scored as the rule does, and so are attempts on their accounts.
 * Run: node bench/login-risk.ts [--users 3000] [--days 90] [--seed 1] [--logins-min 5]
 */
const { values: args } = parseArgs({
  options: {
    users: { type: "string", default: "3000" },
    days: { type: "string", default: "90" },
    seed: { type: "string", default: "1" },
    "logins-min": { type: "string", default: "5" },
  },
});
const users = Number(args.users);
const days = Number(args.days);
const loginsMin = Number(args["logins-min"]);
/** The population is learned before the first score counts. */
const LEARNING_DAYS = Math.floor(days / 3);
const RATES = [0.001, 0.005, 0.01, 0.02, 0.05];
const LIMITS = [1, 2, 5, 10, 20, 50, 100];

const random = randomOf(Number(args.seed));
const people = new People(random, users);
const usual = new Map<Person, Usual>();
let population = Population.none;
let fresh = FreshLogins.none;
const own: number[] = [];

function learn(person: Person, traits: Traits): void {
  const before = usual.get(person) ?? Usual.none;
  usual.set(person, before.plus(traits));
  fresh = fresh.plus({ traits, newUser: before.loginsEver === 0 });
  if (fresh.size < FRESH_MAX) return;
  population = population.plus(fresh);
  fresh = FreshLogins.none;
}

let logins = 0;
for (let day = 0; day < days; day++) {
  for (const { person, traits } of people.loginsOf(day)) {
    const known = usual.get(person) ?? Usual.none;
    if (day >= LEARNING_DAYS && known.loginsEver >= loginsMin) {
      own.push(scoredLogin(traits, known, population).score);
    }
    learn(person, traits);
    logins++;
  }
}

const victims = [...usual].filter(([, known]) => known.loginsEver >= loginsMin);
const attacks = {
  naive: people.naive,
  "in the country": people.inCountry,
  targeted: people.targeted,
} as const;

own.sort((a, b) => a - b);
const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
/** The share of `sorted` that is above a score. */
function shareAbove(sorted: readonly number[], score: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) <= score) low = middle + 1;
    else high = middle;
  }
  return (sorted.length - low) / sorted.length;
}
const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

console.log(
  `${users} users, ${logins} logins in ${days} days, ${own.length} scored; ` +
    `${victims.length} attempts a kind; ${TRAIT_COUNT} traits; seed ${args.seed}`,
);
const columns: Record<string, Record<string, string>> = { "users themselves": {} };
for (const limit of LIMITS) {
  (columns["users themselves"] as Record<string, string>)[`> ${limit}`] = percent(
    shareAbove(own, limit),
  );
}
const rates: Record<string, Record<string, string>> = {};
for (const [name, attempt] of Object.entries(attacks)) {
  const scores = victims
    .map(([person, known]) => scoredLogin(attempt(person), known, population).score)
    .sort((a, b) => a - b);
  // The chance that an attempt scores higher than a user's own login.
  const area = own.reduce((sum, score) => sum + shareAbove(scores, score), 0) / own.length;
  const row: Record<string, string> = { area: area.toFixed(4) };
  for (const limit of LIMITS) row[`> ${limit}`] = percent(shareAbove(scores, limit));
  columns[name] = row;
  rates[name] = Object.fromEntries(
    RATES.map((rate) => [percent(rate), percent(shareAbove(scores, quantile(own, 1 - rate)))]),
  );
}
rates.limit = Object.fromEntries(
  RATES.map((rate) => [percent(rate), quantile(own, 1 - rate).toPrecision(3)]),
);
console.log("share of logins above a limit, and area under the curve:");
console.table(columns);
console.log("share of attempts found, by the share of users' own logins that are found with them:");
console.table(rates);
