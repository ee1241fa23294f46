/** A route with a query as people send it, for another person each time. */
export interface Case {
  readonly name: string;
  /** As whom: a person's own token, an administrator's, or that of a service that asks whether sessions live. */
  readonly as: "person" | "admin" | "point";
  url(who: SignedIn): string;
  /** Undefined: a GET. */
  body?(who: SignedIn): object;
}

/** Somebody who is signed in now. */
export interface SignedIn {
  readonly user: string;
  readonly session: string;
  readonly device: string;
}

const OURS = "/api/id/sessions/me";
const ADMIN = "/api/id/admin";
const daysAgo = (nowMs: number, days: number): string =>
  new Date(nowMs - days * 86_400_000).toISOString();

export function casesOf(nowMs: number): readonly Case[] {
  const search = (name: string, query: string | ((who: SignedIn) => string)): Case => ({
    name: `search: ${name}`,
    as: "admin",
    url: (who) => `${ADMIN}/sessions?${typeof query === "string" ? query : query(who)}`,
  });
  const own = (name: string, path: string): Case => ({ name, as: "person", url: () => path });
  return [
    own("own active sessions", OURS),
    own("own sessions, ended too", `${OURS}?include_inactive=true`),
    own("second family", "/api/v1/users/me/sessions?include_inactive=true"),
    own("current", `${OURS}/current`),
    own("statistics", `${OURS}/statistics`),
    own("own timeline", `${OURS}/timeline`),
    own("devices", "/api/id/devices"),
    {
      name: "sessions of a user",
      as: "admin",
      url: (who) => `${ADMIN}/sessions/user/${who.user}?include_inactive=true`,
    },
    { name: "anomalies", as: "admin", url: (who) => `${ADMIN}/users/${who.user}/anomalies` },
    { name: "timeline", as: "admin", url: (who) => `${ADMIN}/users/${who.user}/timeline` },
    { name: "usage", as: "admin", url: () => `${ADMIN}/sessions/usage?days=45` },
    {
      name: "validated without Redis",
      as: "point",
      url: () => "/api/id/sessions/validate",
      body: ({ session }) => ({ session_id: session }),
    },
    search("nothing asked", ""),
    search("user", ({ user }) => `user=${user}`),
    search("device", ({ device }) => `device=${device}`),
    search("channel", "channel=API"),
    search("organisation", "organisation=org-3"),
    search("live", "status=ACTIVE"),
    search("revoked", "status=REVOKED&limit=200"),
    search("home country", "country=SN"),
    search("rare country", "country=BR"),
    search("risk", "risk_min=90"),
    search(
      "begun in a week",
      `created_from=${daysAgo(nowMs, 40)}&created_until=${daysAgo(nowMs, 33)}`,
    ),
    search("active in an hour", `active_from=${new Date(nowMs - 3_600_000).toISOString()}`),
    search(
      "nobody has it: channel and activity",
      `channel=API&active_until=${daysAgo(nowMs, 400)}`,
    ),
    search("live, rare country, USSD", "status=ACTIVE&country=BR&channel=USSD"),
    search("home country, revoked, risk", "country=SN&status=REVOKED&risk_min=95"),
    search(
      "organisation, live, long ago",
      `organisation=org-1&status=ACTIVE&created_until=${daysAgo(nowMs, 60)}`,
    ),
  ];
}
