import { addressOf, DAKAR, dailyLogins, type Example, heartbeat, login, PARIS } from "./example.ts";

const SENEGAL_MCC = 608;
const GUADELOUPE_MCC = 340;
const inFrance = { address: addressOf({ organisation: "Orange S.A.", country: "FR" }) };
const visitor = { ...inFrance, mcc: SENEGAL_MCC, position: PARIS, sessionId: "s-1" };

export const examples: readonly Example[] = [
  {
    name: "ANO-12, GEO-24: a SIM of MCC 608 with an address in FR fires",
    given: [],
    when: login("10:00", visitor),
    finds: [
      {
        sessionId: "s-1",
        evidence: { source: "sim", sim_country: "SN", ip_country: "FR", mcc: "608" },
        says: "roaming, a VPN, or fraud; with an address in SN",
      },
    ],
  },
  {
    name: "a SIM of the address's country does not",
    given: [],
    when: login("10:00", { ...inFrance, mcc: 208 }),
    finds: [],
  },
  {
    name: "a code that countries share is any of them",
    given: [],
    when: login("10:00", {
      address: addressOf({ organisation: "Orange Caraibe", country: "MQ" }),
      mcc: GUADELOUPE_MCC,
    }),
    finds: [],
  },
  {
    name: "a code that no country has tells nothing",
    given: [],
    when: login("10:00", { ...inFrance, mcc: 901 }),
    finds: [],
  },
  {
    name: "a given location in another country than the address fires",
    given: [],
    when: login("10:00", { ...inFrance, givenCountry: "SN" }),
    finds: [{ evidence: { source: "location", location_country: "SN", ip_country: "FR" } }],
  },
  {
    name: "an address that nobody knows is in no country",
    given: [],
    when: login("10:00", { mcc: SENEGAL_MCC }),
    finds: [],
  },
  {
    name: "a satellite's ground station is where it is",
    given: [],
    when: login("10:00", {
      address: addressOf({ organisation: "SpaceX Starlink", country: "FR" }),
      mcc: SENEGAL_MCC,
    }),
    finds: [],
  },
  {
    name: "a VPN is a mismatch all the same",
    given: [],
    when: login("10:00", {
      address: addressOf({ organisation: "NordVPN", country: "FR" }),
      mcc: SENEGAL_MCC,
    }),
    finds: [{}],
  },
  {
    name: "a session is told of once",
    given: [login("10:00", visitor)],
    when: heartbeat("10:30", visitor),
    finds: [],
  },
  {
    name: "who lives abroad is at home there, whatever the SIM",
    given: dailyLogins({ days: 10 }, visitor),
    when: login("249:00", { ...visitor, sessionId: "s-2" }),
    finds: [],
  },
  {
    name: "elsewhere abroad is not home",
    given: dailyLogins({ days: 10 }, { position: DAKAR }),
    when: login("249:00", { ...visitor, sessionId: "s-2" }),
    finds: [{}],
  },
];
