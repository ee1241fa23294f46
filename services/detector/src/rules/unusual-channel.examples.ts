import { dailyLogins, type Example, heartbeat, login } from "./example.ts";

const byApi = { channel: "API", sessionId: "s-1" } as const;
const late = "2000:00";

export const examples: readonly Example[] = [
  {
    name: "ANO-08: a first login by another channel fires after ten logins",
    given: dailyLogins({ days: 10 }),
    when: login(late, byApi),
    finds: [
      {
        sessionId: "s-1",
        evidence: { channel: "API", logins_on_channel: "0", logins: "10", share_min_percent: "2" },
        says: "A login by API, as 0 of the last 10 were; with 2 % of them or more",
      },
    ],
  },
  {
    name: "after nine it does not",
    given: dailyLogins({ days: 9 }),
    when: login(late, byApi),
    finds: [],
  },
  {
    name: "one of the last fifty is 2 %, which is not below",
    given: [login("1:00", byApi), ...dailyLogins({ days: 49 })],
    when: login(late, byApi),
    finds: [],
  },
  {
    name: "what fifty others followed is forgotten",
    given: [login("1:00", byApi), ...dailyLogins({ days: 50 })],
    when: login(late, byApi),
    finds: [{ evidence: { logins_on_channel: "0", logins: "50" } }],
  },
  {
    name: "the user's own channel is usual",
    given: dailyLogins({ days: 10 }),
    when: login(late),
    finds: [],
  },
  {
    name: "a channel of a newer contract tells nothing",
    given: dailyLogins({ days: 10 }),
    when: login(late, { channel: "UNKNOWN" }),
    finds: [],
  },
  {
    name: "a heartbeat is no login",
    given: dailyLogins({ days: 10 }),
    when: heartbeat(late, byApi),
    finds: [],
  },
  {
    name: "the numbers are the policy's",
    given: [login("1:00", byApi), ...dailyLogins({ days: 4 })],
    when: login(late, byApi),
    policy: { unusual_channel: { share_min_percent: 25, logins_min: 5 } },
    finds: [{ evidence: { logins_on_channel: "1", logins: "5" } }],
  },
];
