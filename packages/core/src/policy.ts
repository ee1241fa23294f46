import { documentKind, roleRefinement } from "./policy-fields.ts";
import type { JsonSchema, Merge, PolicyFault } from "./policy-kinds.ts";

export {
  ABSOLUTE_HOURS_MAX,
  CHALLENGE_COUNT_MAX,
  FAILURE_COUNT_MAX,
  RULE_NAMES,
} from "./policy-fields.ts";
export type { JsonSchema, PolicyFault } from "./policy-kinds.ts";

/**
 * The policy of a tenant: what the sources name, with their fields.
 * Every number has a default here; a tenant's document holds only what differs.
 */
export type RuleMode = "ENFORCE" | "SHADOW" | "OFF";
export type RuleAction = "LOG_ONLY" | "STEP_UP" | "REVOKE" | "BLOCK";

/** Switches of one rule: its mode, the action and the risk that override the rule's own. */
export interface RuleSwitch {
  readonly mode?: RuleMode;
  readonly action?: RuleAction;
  /** 0..100. */
  readonly risk_score?: number;
  /** Percent of the users; for the others the rule runs one notch milder. Default 100. */
  readonly share?: number;
}

export type PolicyChannel = "MOBILE" | "WEB" | "USSD" | "API";

export interface PolicyDocument {
  /** POL-03, HBT-02: a silent session ends after this. */
  readonly idle_timeout: { readonly minutes: number };
  /** POL-03, HBT-03: any session ends after this. */
  readonly absolute_timeout: { readonly hours: number };
  /** POL-04, ANO-07: more failures than this within an hour are brute force. */
  readonly max_failed_mfa_hour: { readonly count: number };
  /** CNF-13: the same for failed logins. */
  readonly max_failed_login_hour: { readonly count: number };
  /** POL-04, CNF-01: strictly above fires; distance and clock skew are the rule's tolerances. */
  readonly impossible_travel: {
    readonly kmh_threshold: number;
    readonly distance_min_km: number;
    readonly skew_s: number;
  };
  /** So many users failing to log in from one address within the window, and more than succeed, fire. */
  readonly credential_spray: { readonly user_count: number; readonly window_minutes: number };
  /** So many challenges of the second factor within the window are fatigue. */
  readonly mfa_fatigue: { readonly challenge_count: number; readonly window_minutes: number };
  /** ANO-13: a country not seen for so long is a change, once the user has logged in so often. */
  readonly country_change: { readonly days: number; readonly logins_min: number };
  /** ANO-08: a channel with a smaller share of the last 50 logins, once the user has logged in so often. */
  readonly unusual_channel: { readonly share_min_percent: number; readonly logins_min: number };
  /** ANO-10: parts of names of organisations that count as VPNs, besides the words that always do. */
  readonly vpn_networks: { readonly organisations: readonly string[] };
  /** POL-04, ANO-06: strictly below fires. */
  readonly fp_mismatch_tolerance: { readonly score_min: number };
  /** RMP-02: strictly above fires, once a user has logged in as often as this. */
  readonly login_risk: { readonly score_max: number; readonly logins_min: number };
  /**
   * POL-10, CNF-14: live sessions of one user, over all channels and within one; 0 is no limit. A session too many is
   * found and told of either way (ANO-14); `revoke_oldest` also ends the oldest.
   */
  readonly max_concurrent_sessions: {
    readonly count: number;
    readonly on_excess: "revoke_oldest" | "alarm";
    readonly per_channel: Readonly<Partial<Record<PolicyChannel, number>>>;
  };
  /** POL-09: ISO 3166-1 alpha-2. */
  readonly blocked_countries: { readonly countries: readonly string[] };
  /** PRV-13: ended sessions and activities are forgotten after this. */
  readonly session_retention: { readonly days: number };
  readonly activity_retention: { readonly days: number };
  /** By the kind of anomaly. */
  readonly rules: Readonly<Record<string, RuleSwitch>>;
  /** What differs on a channel and for a role; see `policyFor`. */
  readonly channels: Readonly<Partial<Record<PolicyChannel, ChannelRefinement>>>;
  readonly roles: Readonly<Record<string, RoleRefinement>>;
}

type PartsOf<Name extends keyof PolicyDocument> = {
  readonly [Part in Name]?: Partial<PolicyDocument[Part]>;
};

/** A limit within a channel is `max_concurrent_sessions.per_channel`. */
export type ChannelRefinement = PartsOf<
  "idle_timeout" | "absolute_timeout" | "blocked_countries" | "rules"
>;
export type RoleRefinement = ChannelRefinement & PartsOf<"max_concurrent_sessions">;

/** What a tenant's document may hold: any part of the whole. */
export type PolicyOverlay = PartsOf<keyof PolicyDocument>;

/**
 * Source of the numbers: REQUIREMENTS POL-03, POL-04, CNF-13, CNF-14; DESIGN, Detector, for the rules; the
 * measurement in docs/login-risk.md for login_risk; USSD gateways close a silent dialogue within 3 min (USS-01); 90
 * days is what the read model kept of activities before a policy could say. The oldest session is revoked, since a
 * limit that only alarms would not hold (DESIGN, Sessions).
 */
export const defaultPolicy: PolicyDocument = {
  idle_timeout: { minutes: 30 },
  absolute_timeout: { hours: 720 },
  max_failed_mfa_hour: { count: 5 },
  max_failed_login_hour: { count: 5 },
  impossible_travel: { kmh_threshold: 900, distance_min_km: 100, skew_s: 60 },
  credential_spray: { user_count: 5, window_minutes: 20 },
  mfa_fatigue: { challenge_count: 5, window_minutes: 10 },
  country_change: { days: 90, logins_min: 10 },
  unusual_channel: { share_min_percent: 2, logins_min: 10 },
  vpn_networks: { organisations: [] },
  fp_mismatch_tolerance: { score_min: 0.85 },
  login_risk: { score_max: 2, logins_min: 5 },
  max_concurrent_sessions: { count: 5, on_excess: "revoke_oldest", per_channel: {} },
  blocked_countries: { countries: [] },
  session_retention: { days: 90 },
  activity_retention: { days: 90 },
  rules: {},
  channels: { USSD: { idle_timeout: { minutes: 3 } } },
  roles: {},
};

/** A document of a tenant that is tried beside the one in force. */
export interface CandidateOverlay {
  /** Percent of the users. */
  readonly share: number;
  readonly overlay: PolicyOverlay;
}

/** A whole policy that is tried beside the one in force. */
export interface CandidatePolicy {
  readonly share: number;
  readonly document: PolicyDocument;
}

/** A policy and the version that its decisions carry; 0 is the built-in default. */
export interface VersionedPolicy {
  readonly version: number;
  readonly document: PolicyDocument;
  readonly candidate?: CandidatePolicy;
}

/** A document laid over another; what it does not name stays as it was. Lists are replaced as a whole. */
export const overlayPolicy = <Base extends PolicyOverlay>(base: Base, over: PolicyOverlay): Base =>
  merge("overlay", base, over);

/** The kind of a document knows every part, so what was whole stays whole. */
const merge = <Base extends PolicyOverlay>(how: Merge, base: Base, over: PolicyOverlay): Base =>
  documentKind.merge(how, base, over) as Base;

export type ParsedPolicy =
  | {
      readonly overlay: PolicyOverlay;
      readonly candidate?: CandidateOverlay;
      readonly faults?: never;
    }
  | { readonly overlay?: never; readonly faults: readonly PolicyFault[] };

/**
 * Reads a policy document off the topic. Fields that this version does not know are left alone, so that a newer edge
 * may write them; a known field of the wrong type or out of bounds makes the whole document invalid.
 */
export function parsePolicy(text: string): ParsedPolicy {
  try {
    return read(JSON.parse(text), false);
  } catch {
    return { faults: [{ path: "", why: "is not JSON" }] };
  }
}

/** Reads what an administrator wrote: a name that nobody knows is a fault too, since it may be a typing error. */
export const checkPolicy = (value: unknown): ParsedPolicy => read(value, true);

/** The JSON Schema, draft 2020-12, of what `checkPolicy` takes. */
export const policySchema = (): JsonSchema => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "urn:vigie:session-policy",
  title: "Session policy",
  ...documentKind.schema,
});

function read(value: unknown, strict: boolean): ParsedPolicy {
  const faults: PolicyFault[] = [];
  const document = documentKind.read(value, { path: "", faults, strict });
  if (document === undefined || faults.length > 0) return { faults };
  const { candidate, ...plain } = document;
  const overlay = normal(plain);
  if (candidate === undefined) return { overlay };
  const { share = 100, document: tried = {} } = candidate;
  return { overlay, candidate: { share, overlay: normal(tried) } };
}

/** POL-08 has a word of its own for the action of one rule; given both ways, the rule's counts. */
function normal(
  document: PolicyOverlay & { readonly vpn_action?: { readonly action?: "log_only" | "step_up" } },
): PolicyOverlay {
  const { vpn_action: vpn, ...overlay } = document;
  if (vpn?.action === undefined) return overlay;
  const action = vpn.action === "step_up" ? "STEP_UP" : "LOG_ONLY";
  return overlayPolicy<PolicyOverlay>({ rules: { vpn_detected: { action } } }, overlay);
}

/** Whom a policy is asked for. */
export interface PolicyScope {
  readonly channel: string;
  /** Default: none are known. */
  readonly roles?: readonly string[];
}

/** Refined documents that are kept of one document; roles come from tokens, but only those that it names count. */
const REFINED_MAX = 1_000;
const refinedOf = new WeakMap<PolicyDocument, Map<string, PolicyDocument>>();

/**
 * The document as it counts for a channel and the roles of a session: the role over the channel over the tenant over
 * "*" over the built-in default. Of several roles that name the same field, the strictest value counts. Lists of
 * countries add up. Costs nothing where neither is refined: then it is the same document.
 */
export function policyFor(document: PolicyDocument, scope: PolicyScope): PolicyDocument {
  const ofChannel = own(document.channels, scope.channel);
  let named: string[] | null = null;
  for (const role of scope.roles ?? noRoles) {
    if (!Object.hasOwn(document.roles, role)) continue;
    named ??= [];
    named.push(role);
  }
  if (ofChannel === undefined && named === null) return document;
  let known = refinedOf.get(document);
  if (known === undefined) {
    known = new Map();
    refinedOf.set(document, known);
  }
  const key = named === null ? scope.channel : [scope.channel, ...named].join("\n");
  let refined = known.get(key);
  if (refined === undefined) {
    if (known.size >= REFINED_MAX) known.clear();
    refined = refine(document, ofChannel ?? {}, named ?? []);
    known.set(key, refined);
  }
  return refined;
}

/** A name may be one that every object has: "constructor". */
const own = <T>(record: Readonly<Partial<Record<string, T>>>, name: string): T | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;

function refine(
  document: PolicyDocument,
  ofChannel: ChannelRefinement,
  roles: readonly string[],
): PolicyDocument {
  const ofRoles = roles
    .map((role) => document.roles[role] ?? {})
    .reduce((one, other) => roleRefinement.merge("strictest", one, other), {});
  const refined = merge("refine", merge("refine", document, ofChannel), ofRoles);
  return { ...refined, channels: {}, roles: {} };
}

const noRoles: readonly string[] = [];

/** The same, with the version that decisions by it carry. */
export function versionedFor(policy: VersionedPolicy, scope: PolicyScope): VersionedPolicy {
  const document = policyFor(policy.document, scope);
  return document === policy.document ? policy : { ...policy, document };
}

const unswitched: RuleSwitch = {};

/** The switches of a rule for a session; a rule that nobody names has none. */
export const ruleSwitch = (
  document: PolicyDocument,
  kind: string,
  scope: PolicyScope,
): RuleSwitch => policyFor(document, scope).rules[kind] ?? unswitched;

/** The longest life that the policy gives any session, hours: what is kept of an ended one must be kept so long. */
export function absoluteHoursMax(document: PolicyDocument): number {
  const refinements = [...Object.values(document.channels), ...Object.values(document.roles)];
  const hours = refinements.map((each) => each.absolute_timeout?.hours ?? 0);
  return Math.max(document.absolute_timeout.hours, ...hours);
}
