import { addressOf, type Example, failedLogin, heartbeat, login } from "./example.ts";

const inFrance = { address: addressOf({ organisation: "Orange S.A.", country: "FR" }) };
const blocked = { blocked_countries: { countries: ["FR", "KP"] } };

export const examples: readonly Example[] = [
  {
    name: "ANO-09: a login from a country on the list fires",
    given: [],
    when: login("10:00", { ...inFrance, sessionId: "s-1" }),
    policy: blocked,
    finds: [
      {
        sessionId: "s-1",
        evidence: { country: "FR", source: "address", channel: "MOBILE" },
        says: "from a country that is not on the list it would not have fired",
      },
    ],
  },
  {
    name: "POL-09: by default no country is",
    given: [],
    when: login("10:00", inFrance),
    finds: [],
  },
  {
    name: "from another country it does not",
    given: [],
    when: login("10:00", inFrance),
    policy: { blocked_countries: { countries: ["KP"] } },
    finds: [],
  },
  {
    name: "a given location counts too",
    given: [],
    when: login("10:00", { givenCountry: "KP" }),
    policy: blocked,
    finds: [{ evidence: { country: "KP", source: "location" } }],
  },
  {
    name: "a VPN's exit in a blocked country is a connection from there",
    given: [],
    when: login("10:00", { address: addressOf({ organisation: "NordVPN", country: "FR" }) }),
    policy: blocked,
    finds: [{}],
  },
  {
    name: "a session that moves there is found by its heartbeat",
    given: [login("10:00", { sessionId: "s-1" })],
    when: heartbeat("10:30", { ...inFrance, sessionId: "s-1" }),
    policy: blocked,
    finds: [{}],
  },
  {
    name: "and once, not with every heartbeat",
    given: [heartbeat("10:30", { ...inFrance, sessionId: "s-1" })],
    when: heartbeat("10:31", { ...inFrance, sessionId: "s-1" }),
    policy: blocked,
    finds: [],
  },
  {
    name: "another session is told of by itself",
    given: [heartbeat("10:30", { ...inFrance, sessionId: "s-1" })],
    when: heartbeat("10:31", { ...inFrance, sessionId: "s-2" }),
    policy: blocked,
    finds: [{ sessionId: "s-2" }],
  },
  {
    name: "a failed login opened nothing that could be blocked",
    given: [],
    when: failedLogin("10:00", inFrance),
    policy: blocked,
    finds: [],
  },
];
