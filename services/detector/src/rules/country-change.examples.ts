import {
  ABIDJAN,
  DAKAR,
  dailyLogins,
  type Example,
  given,
  inData,
  login,
  PARIS,
} from "./example.ts";

const atHome = { position: DAKAR };
const away = { position: PARIS, sessionId: "s-1" };
const hours = (days: number, clock = "10:00"): string => {
  const [hour = 0, minute = ""] = clock
    .split(":")
    .map((part, i) => (i === 0 ? Number(part) : part));
  return `${days * 24 + Number(hour)}:${minute}`;
};
/** Home since, so that the user logged in often enough; Paris on the first day only. */
const afterParis = [login("8:00", away), ...dailyLogins({ days: 10, from: 80 }, atHome)];

export const examples: readonly Example[] = [
  {
    name: "ANO-13: a first login from another country fires after ten logins",
    given: dailyLogins({ days: 10 }, atHome),
    when: login(hours(20), away),
    finds: [
      {
        sessionId: "s-1",
        evidence: { country: "FR", last_country: "SN", days: "90", logins: "10" },
        says: "where the user was not seen ever",
      },
    ],
  },
  {
    name: "after nine it does not: too little is known",
    given: dailyLogins({ days: 9 }, atHome),
    when: login(hours(20), away),
    finds: [],
  },
  {
    name: "a country seen in the last 90 days is none that is new",
    given: afterParis,
    when: login(hours(90, "7:59"), away),
    finds: [],
  },
  {
    name: "one seen 90 days ago is",
    given: afterParis,
    when: login(hours(90, "8:00"), away),
    finds: [{ says: "was not seen in the last 90 days" }],
  },
  {
    name: "the second login from there is not",
    given: [...dailyLogins({ days: 10 }, atHome), login(hours(20), away)],
    when: login(hours(21), away),
    finds: [],
  },
  {
    name: "a login that comes late is measured against what was seen since",
    given: [...dailyLogins({ days: 10 }, atHome), login(hours(20), away)],
    when: login(hours(19), away),
    finds: [],
  },
  {
    name: "whose countries were never known does not change them",
    given: dailyLogins({ days: 10 }),
    when: login(hours(20), away),
    finds: [],
  },
  {
    name: "what other data says of the country is learnt from, and not told of",
    given: dailyLogins({ days: 10 }, atHome),
    when: login(hours(20), { ...away, position: inData(PARIS, 2) }),
    finds: [],
  },
  {
    name: "once: the next login is judged by it, whatever came without a country or with a given one",
    given: [
      ...dailyLogins({ days: 10 }, atHome),
      login(hours(20), { ...away, position: inData(PARIS, 2) }),
      login(hours(21)),
      login(hours(22), { position: given(PARIS) }),
    ],
    when: login(hours(23), { ...away, position: inData(ABIDJAN, 2) }),
    finds: [{ evidence: { country: "CI", last_country: "FR" } }],
  },
  {
    name: "who had no country by the new data is not yet known by it",
    given: [
      ...dailyLogins({ days: 10 }, atHome),
      login(hours(20)),
      login(hours(21), { position: given(DAKAR) }),
    ],
    when: login(hours(22), { ...away, position: inData(PARIS, 2) }),
    finds: [],
  },
  {
    name: "a given country is judged whatever the data",
    given: dailyLogins({ days: 10 }, atHome),
    when: login(hours(20), { ...away, position: given(PARIS) }),
    finds: [{ evidence: { country: "FR" } }],
  },
  {
    name: "to a user whose countries were given, no data is another one",
    given: dailyLogins({ days: 10 }, { position: given(DAKAR) }),
    when: login(hours(20), { ...away, position: inData(PARIS, 2) }),
    finds: [{ evidence: { country: "FR", last_country: "SN" } }],
  },
  {
    name: "the numbers are the policy's",
    given: [...dailyLogins({ days: 3 }, away), ...dailyLogins({ days: 2, from: 30 }, atHome)],
    when: login(hours(33), away),
    policy: { country_change: { days: 30, logins_min: 5 } },
    finds: [{ evidence: { days: "30", logins: "5" } }],
  },
];
