import { type Traits, unknownTraits } from "#enrich/traits";
import { FRESH_MAX, FreshLogins, Population } from "#state/population";
import { type Example, login } from "./example.ts";
import type { EnrichedEvent } from "./rule.ts";

/** Address, asn, country; user agent, browser, system, device type. */
const traits = (...values: readonly number[]): Traits => values.map((value) => value * 65_536);
const mine = traits(1, 10, 100, 1, 10, 100, 1_000);
const common = traits(2, 20, 100, 2, 20, 200, 1_000);
/** The client that I have, in the network that most others are in. */
const moved = traits(2, 20, 100, 1, 10, 100, 1_000);
const abroad = traits(3, 30, 300, 3, 30, 300, 3_000);

/** Of 1,600 logins of 160 users, nine in ten from one network with one client; mine are the rest. */
const population = populationOf([...Array(9).fill(common), mine], 160);

function populationOf(tenth: readonly Traits[], users: number): Population {
  let counted = Population.none;
  for (let i = 0; i < 1_600; i += FRESH_MAX) {
    let fresh = FreshLogins.none;
    for (let j = i; j < i + FRESH_MAX; j++) {
      fresh = fresh.plus({ traits: tenth[j % 10] as Traits, newUser: j < users });
    }
    counted = counted.plus(fresh);
  }
  return counted;
}

const at = (count: number, its: Traits): readonly EnrichedEvent[] =>
  Array.from({ length: count }, (_, i) => login(`${8 + i}:00`, { traits: its, population }));

export const examples: readonly Example[] = [
  {
    name: "a user's own usual login is quiet",
    given: at(10, mine),
    when: login("20:00", { traits: mine, population }),
    finds: [],
  },
  {
    name: "RMP-02: a login that could be anybody's fires, and says what made it so",
    given: at(10, mine),
    when: login("20:00", { traits: common, population, sessionId: "s-1" }),
    finds: [
      {
        // p(x) = 0.6 · 1440/1604 + 0.3 · 0.9 + 0.1 = 0.9087; p(x|u) = 0.1: 9.09 times.
        // 0.5387 · 1440/1606 + (0.2680 + 0.1882) · 0.9 + 0.0051 = 0.8987; 0.0051: 176 times. 1600/(160 · 10) = 1.
        evidence: {
          score: "1.60e+3",
          limit: "2",
          logins: "10",
          weighed: "user_agent,browser,system",
          network_ratio: "9.09",
          client_ratio: "176",
          rarity: "1.00",
          user_agent_share: "0.0/0.90",
        },
        sessionId: "s-1",
        says: "had the user always had this user agent, address, browser, it would not have fired",
      },
    ],
  },
  {
    name: "the own client in a network that most others are in is a little likelier another's",
    given: at(10, mine),
    when: login("20:00", { traits: moved, population }),
    policy: { login_risk: { score_max: 0.5 } },
    // 0.5387 · 160/1606 + (0.2680 + 0.1882) · 0.1 + 0.0051 = 0.1044, and all of it the user's.
    finds: [{ evidence: { network_ratio: "9.09", client_ratio: "0.104", score: "0.949" } }],
  },
  {
    name: "and stays under the default limit",
    given: at(10, mine),
    when: login("20:00", { traits: moved, population }),
    finds: [],
  },
  {
    name: "what nobody was ever seen with counts four times a feature",
    given: at(10, mine),
    when: login("20:00", { traits: abroad, population }),
    finds: [{ evidence: { score: "16.0", network_ratio: "4.00", client_ratio: "4.00" } }],
  },
  {
    name: "a user of few logins is not known well enough",
    given: at(4, mine),
    when: login("20:00", { traits: common, population }),
    finds: [],
  },
  {
    name: "the policy says how many are enough",
    given: at(4, mine),
    when: login("20:00", { traits: common, population }),
    policy: { login_risk: { logins_min: 4 } },
    finds: [{ evidence: { logins: "4", rarity: "2.50" } }],
  },
  {
    name: "a tenant of few logins is not known well enough",
    given: at(10, mine),
    when: login("20:00", { traits: common, population: Population.none }),
    finds: [],
  },
  {
    name: "an address, a client that are not known count as what is usual without them",
    given: at(10, unknownTraits),
    when: login("20:00", { traits: unknownTraits, population }),
    finds: [],
  },
];
