import type {
  ChannelRefinement,
  PolicyDocument,
  RoleRefinement,
  RuleAction,
  RuleMode,
  RuleSwitch,
} from "./policy.ts";
import { dictionary, group, type Kind, number, texts, word } from "./policy-kinds.ts";

/** The bounds and words of a policy document: the parser, the JSON Schema and all merging follow from this. */

const CHANNELS = ["MOBILE", "WEB", "USSD", "API"] as const;
/** Every kind of anomaly. Source: DESIGN, detector. */
export const RULE_NAMES = [
  "impossible_travel",
  "fingerprint_mismatch",
  "bruteforce",
  "mfa_fatigue",
  "geo_block",
  "credential_spray",
  "country_mismatch",
  "country_change",
  "unusual_channel",
  "vpn_detected",
  "new_device",
  "login_risk",
  "concurrent_sessions",
  "revoked_session_use",
] as const;
/** The largest count of failures a policy may allow: the detector remembers that many and one more. */
export const FAILURE_COUNT_MAX = 30;
/**
 * The longest life that a policy may give a session: revocations are kept on their topic for as long and a day, since
 * none may be forgotten while its session could live. Source: POL-03, the default, in hours.
 */
export const ABSOLUTE_HOURS_MAX = 720;
/** A year, which policies could give before the bound was that of the topic. */
const ABSOLUTE_HOURS_FORMER_MAX = 8_760;
/** The largest count of users that a policy may wait for: the detector remembers 100 an address. */
const SPRAYED_USERS_MAX = 40;
/** The largest count of challenges that may be wanted: the detector remembers that many. */
export const CHALLENGE_COUNT_MAX = 30;
/** What a tenant adds to the words that always count. */
const ORGANISATIONS_MAX = 100;
/** The detector counts a user's logins up to this. */
const LOGINS_COUNTED_MAX = 255;
/** The largest limit of sessions: the state of one user stays small. */
const SESSION_COUNT_MAX = 100;
/** Source: ISO 3166-1 has 249 codes; some lists add XK. */
const COUNTRIES_MAX = 250;
/** A document stays far below the 64 KiB of a record. */
const ROLES_MAX = 50;
/** Ten years. */
const RETENTION_DAYS_MAX = 3_650;

const smaller = Math.min;
const greater = Math.max;
/** 0 is no limit at all. */
const tighter = (one: number, other: number): number =>
  one === 0 || other === 0 ? one + other : Math.min(one, other);

/** Source of the bounds: DESIGN "Policies" (idle ≥ 1 min, speed ≥ 300 km/h); the others keep a typing error harmless. */
const idleTimeout = group<PolicyDocument["idle_timeout"]>("HBT-02: silence that ends a session", {
  minutes: number({ about: "minutes", min: 1, max: 1_440, strictest: smaller }),
});
const absoluteTimeout = group<PolicyDocument["absolute_timeout"]>("HBT-03: age that ends it", {
  hours: number({
    about: "hours",
    min: 1,
    max: ABSOLUTE_HOURS_MAX,
    formerMax: ABSOLUTE_HOURS_FORMER_MAX,
    strictest: smaller,
  }),
});

const sessionCount = number({
  about: "sessions of one user; 0 is no limit",
  min: 0,
  max: SESSION_COUNT_MAX,
  integer: true,
  strictest: tighter,
});
const maxSessions = group<PolicyDocument["max_concurrent_sessions"]>(
  "CNF-14: live sessions of one user at a time",
  {
    count: sessionCount,
    on_excess: word("what a session too many brings about", ["alarm", "revoke_oldest"]),
    per_channel: dictionary({
      about: "limits within one channel, besides the limit of all",
      names: /^[A-Z]{1,16}$/,
      known: CHANNELS,
      max: 16,
      of: sessionCount,
    }),
  },
);

const blockedCountries = group<PolicyDocument["blocked_countries"]>("POL-09", {
  countries: texts({
    about: "a role's or channel's list adds to the tenant's",
    pattern: /^[A-Z]{2}$/,
    expected: "ISO 3166-1 alpha-2 codes",
    max: COUNTRIES_MAX,
  }),
});

const modes = ["OFF", "SHADOW", "ENFORCE"] as const satisfies RuleMode[];
const actions = ["LOG_ONLY", "STEP_UP", "REVOKE", "BLOCK"] as const satisfies RuleAction[];

const rules = dictionary<RuleSwitch>({
  about: "switches of rules by the kind of anomaly they find",
  names: /^[a-z][a-z0-9_]{0,63}$/,
  known: RULE_NAMES,
  max: 64,
  of: group<RuleSwitch>("one rule", {
    mode: word("OFF, or told but not acted upon, or in force", modes),
    action: word("what a finding brings about, instead of the rule's own", actions),
    risk_score: number({
      about: "risk of a finding, instead of the rule's own",
      min: 0,
      max: 100,
      integer: true,
      strictest: greater,
    }),
    share: number({
      about: "percent of the users; the others have the rule one notch milder",
      min: 0,
      max: 100,
      strictest: greater,
    }),
  }),
});

const refinable = {
  idle_timeout: idleTimeout,
  absolute_timeout: absoluteTimeout,
  blocked_countries: blockedCountries,
  rules,
};
const channelRefinement = group<ChannelRefinement>("what differs", refinable);
export const roleRefinement = group<RoleRefinement>("what differs", {
  ...refinable,
  max_concurrent_sessions: maxSessions,
});

const loginsMin = number({
  about: "but not before the user has logged in so often",
  min: 1,
  max: LOGINS_COUNTED_MAX,
  integer: true,
  strictest: smaller,
});

const failures = (about: string): Kind<{ readonly count?: number }> =>
  group<{ readonly count: number }>(about, {
    count: number({
      about: "failures that are allowed",
      min: 1,
      max: FAILURE_COUNT_MAX,
      integer: true,
      strictest: smaller,
    }),
  });

const retention = (about: string): Kind<{ readonly days?: number }> =>
  group<{ readonly days: number }>(about, {
    days: number({ about: "days", min: 1, max: RETENTION_DAYS_MAX, strictest: smaller }),
  });

/** What a document may hold besides its parts; see `normal` in policy.ts. */
export interface Shorthands {
  /** POL-08. */
  readonly vpn_action: { readonly action?: "log_only" | "step_up" };
}

type Parts = { readonly [Part in keyof PolicyDocument]: Partial<PolicyDocument[Part]> };

const fields = {
  ...refinable,
  max_concurrent_sessions: maxSessions,
  max_failed_mfa_hour: failures("POL-04: more failures of the second factor within an hour fire"),
  max_failed_login_hour: failures("CNF-13: the same for failed logins"),
  impossible_travel: group<PolicyDocument["impossible_travel"]>("POL-04", {
    kmh_threshold: number({
      about: "a speed strictly above fires",
      min: 300,
      max: 100_000,
      strictest: smaller,
    }),
    distance_min_km: number({
      about: "shorter ways never fire",
      min: 0,
      max: 20_000,
      strictest: smaller,
    }),
    skew_s: number({
      about: "added to the time between",
      min: 0,
      max: 3_600,
      strictest: smaller,
    }),
  }),
  credential_spray: group<PolicyDocument["credential_spray"]>(
    "users who fail to log in from one address; an address is nobody's channel or role",
    {
      user_count: number({
        about: "so many fire",
        min: 3,
        max: SPRAYED_USERS_MAX,
        integer: true,
        strictest: smaller,
      }),
      window_minutes: number({
        about: "from the first of them to the last",
        min: 1,
        max: 60,
        integer: true,
        strictest: greater,
      }),
    },
  ),
  mfa_fatigue: group<PolicyDocument["mfa_fatigue"]>("challenges that wear a user out", {
    challenge_count: number({
      about: "so many challenges of the second factor fire",
      min: 2,
      max: CHALLENGE_COUNT_MAX,
      integer: true,
      strictest: smaller,
    }),
    window_minutes: number({
      about: "from the first of them to the last",
      min: 1,
      max: 60,
      integer: true,
      strictest: greater,
    }),
  }),
  country_change: group<PolicyDocument["country_change"]>("ANO-13", {
    days: number({
      about: "a country not seen for so long fires",
      min: 1,
      max: 365,
      strictest: smaller,
    }),
    logins_min: loginsMin,
  }),
  unusual_channel: group<PolicyDocument["unusual_channel"]>("ANO-08", {
    share_min_percent: number({
      about: "a channel with a share of the last 50 logins strictly below fires",
      min: 0,
      max: 50,
      strictest: greater,
    }),
    logins_min: loginsMin,
  }),
  vpn_networks: group<PolicyDocument["vpn_networks"]>("ANO-10", {
    organisations: texts({
      about: "networks of organisations whose name holds one of these count as VPNs too",
      pattern: /^[A-Za-z0-9][A-Za-z0-9 ._&-]{2,63}$/,
      expected: "parts of names of 3..64 characters",
      max: ORGANISATIONS_MAX,
    }),
  }),
  fp_mismatch_tolerance: group<PolicyDocument["fp_mismatch_tolerance"]>("POL-04", {
    score_min: number({
      about: "a similarity strictly below fires",
      min: 0,
      max: 1,
      strictest: greater,
    }),
  }),
  login_risk: group<PolicyDocument["login_risk"]>("RMP-02: how likely a login is somebody else's", {
    score_max: number({
      about: "a score strictly above fires",
      min: 0.01,
      max: 1_000_000,
      strictest: smaller,
    }),
    logins_min: number({
      about: "earlier logins of the user that are needed to tell",
      min: 1,
      max: 100,
      integer: true,
      strictest: smaller,
    }),
  }),
  vpn_action: group<Shorthands["vpn_action"]>("POL-08: short for rules.vpn_detected.action", {
    action: word("what a VPN brings about", ["log_only", "step_up"]),
  }),
  session_retention: retention("PRV-13: an ended session is kept so long"),
  activity_retention: retention("PRV-13: an activity is kept so long"),
  channels: dictionary({
    about: "what differs on one channel",
    names: /^[A-Z]{1,16}$/,
    known: CHANNELS,
    max: 16,
    of: channelRefinement,
  }),
  roles: dictionary({
    about: "what differs for one role; of several, the strictest value counts",
    names: /^[A-Za-z0-9][A-Za-z0-9 ._:/@-]{0,127}$/,
    max: ROLES_MAX,
    of: roleRefinement,
  }),
};

const ABOUT =
  "Session policy of a tenant: what differs from the platform's default. Roles count over channels, channels over the rest.";
const plainKind = group<Parts & Shorthands>(ABOUT, fields);

/** A document that is tried: what its rules find is told of, never acted upon. */
export interface CandidateParts {
  /** Percent of the users. */
  readonly share: number;
  readonly document: Partial<Parts & Shorthands>;
}

type Document = Parts & Shorthands & { readonly candidate: Partial<CandidateParts> };

export const documentKind: Kind<Partial<Document>> = group<Document>(ABOUT, {
  ...fields,
  candidate: group<CandidateParts>(
    "ANO-17: a document in place of this one, which the rules follow beside it without any effect",
    {
      share: number({
        about: "percent of the users",
        min: 0,
        max: 100,
        strictest: smaller,
      }),
      document: plainKind,
    },
  ),
});
