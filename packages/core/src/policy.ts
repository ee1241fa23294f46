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
}

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
  /** POL-04, ANO-06: strictly below fires. */
  readonly fp_mismatch_tolerance: { readonly score_min: number };
  /** USS-01: USSD sessions are short. */
  readonly ussd_idle_timeout: { readonly minutes: number };
  readonly rules: Readonly<Record<string, RuleSwitch>>;
}

/** What a tenant's document may hold: any part of the whole. */
export type PolicyOverlay = {
  readonly [Field in keyof PolicyDocument]?: Partial<PolicyDocument[Field]>;
};

/** Source of the numbers: REQUIREMENTS POL-03, POL-04, CNF-13; USSD gateways close a silent dialogue within 3 min. */
export const defaultPolicy: PolicyDocument = {
  idle_timeout: { minutes: 30 },
  absolute_timeout: { hours: 720 },
  max_failed_mfa_hour: { count: 5 },
  max_failed_login_hour: { count: 5 },
  impossible_travel: { kmh_threshold: 900, distance_min_km: 100, skew_s: 60 },
  fp_mismatch_tolerance: { score_min: 0.85 },
  ussd_idle_timeout: { minutes: 3 },
  rules: {},
};

/** A policy and the version that its decisions carry; 0 is the built-in default. */
export interface VersionedPolicy {
  readonly version: number;
  readonly document: PolicyDocument;
}

/** A tenant's document laid over the default of all; a missing field keeps the default's value. */
export function overlayPolicy(base: PolicyDocument, over: PolicyOverlay): PolicyDocument {
  return {
    idle_timeout: { ...base.idle_timeout, ...over.idle_timeout },
    absolute_timeout: { ...base.absolute_timeout, ...over.absolute_timeout },
    max_failed_mfa_hour: { ...base.max_failed_mfa_hour, ...over.max_failed_mfa_hour },
    max_failed_login_hour: { ...base.max_failed_login_hour, ...over.max_failed_login_hour },
    impossible_travel: { ...base.impossible_travel, ...over.impossible_travel },
    fp_mismatch_tolerance: { ...base.fp_mismatch_tolerance, ...over.fp_mismatch_tolerance },
    ussd_idle_timeout: { ...base.ussd_idle_timeout, ...over.ussd_idle_timeout },
    rules: overlayRules(base.rules, over.rules ?? {}),
  };
}

function overlayRules(
  base: PolicyDocument["rules"],
  over: Partial<PolicyDocument["rules"]>,
): PolicyDocument["rules"] {
  const rules: Record<string, RuleSwitch> = { ...base };
  for (const [name, own] of Object.entries(over)) rules[name] = { ...rules[name], ...own };
  return rules;
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly integer?: boolean;
}

/** The largest count of failures a policy may allow: the detector remembers that many and one more. */
export const FAILURE_COUNT_MAX = 30;

/** Source: DESIGN "Policies" (idle ≥ 1 min, speed ≥ 300 km/h); the other bounds keep a typing error harmless. */
const numberBounds: Readonly<Record<string, Readonly<Record<string, Bounds>>>> = {
  idle_timeout: { minutes: { min: 1, max: 1_440 } },
  absolute_timeout: { hours: { min: 1, max: 8_760 } },
  max_failed_mfa_hour: { count: { min: 1, max: FAILURE_COUNT_MAX, integer: true } },
  max_failed_login_hour: { count: { min: 1, max: FAILURE_COUNT_MAX, integer: true } },
  impossible_travel: {
    kmh_threshold: { min: 300, max: 100_000 },
    distance_min_km: { min: 0, max: 20_000 },
    skew_s: { min: 0, max: 3_600 },
  },
  fp_mismatch_tolerance: { score_min: { min: 0, max: 1 } },
  ussd_idle_timeout: { minutes: { min: 1, max: 60 } },
};

const modes: readonly unknown[] = ["ENFORCE", "SHADOW", "OFF"] satisfies RuleMode[];
const actions: readonly unknown[] = [
  "LOG_ONLY",
  "STEP_UP",
  "REVOKE",
  "BLOCK",
] satisfies RuleAction[];

export type ParsedPolicy =
  | { readonly overlay: PolicyOverlay; readonly faults?: never }
  | { readonly overlay?: never; readonly faults: readonly string[] };

/**
 * Reads a policy document. Fields that this version does not know are left alone, so that a newer edge may
 * write them; a known field of the wrong type or out of bounds makes the whole document invalid.
 */
export function parsePolicy(text: string): ParsedPolicy {
  const value = parseJson(text);
  if (!isObject(value)) return { faults: ["the document is not a JSON object"] };
  const faults: string[] = [];
  const overlay: Record<string, object> = {};
  for (const [field, bounds] of Object.entries(numberBounds)) {
    const part = value[field];
    if (part === undefined) continue;
    overlay[field] = readNumbers(field, part, bounds, faults);
  }
  if (value.rules !== undefined) overlay.rules = readRules(value.rules, faults);
  return faults.length > 0 ? { faults } : { overlay };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function readNumbers(
  path: string,
  part: unknown,
  bounds: Readonly<Record<string, Bounds>>,
  faults: string[],
): Record<string, number> {
  const numbers: Record<string, number> = {};
  if (!isObject(part)) {
    faults.push(`${path} is not an object`);
    return numbers;
  }
  for (const [field, { min, max, integer }] of Object.entries(bounds)) {
    const value = part[field];
    if (value === undefined) continue;
    const fits = typeof value === "number" && value >= min && value <= max;
    if (fits && (integer !== true || Number.isInteger(value))) numbers[field] = value;
    else
      faults.push(`${path}.${field} is not ${integer ? "an integer" : "a number"} ${min}..${max}`);
  }
  return numbers;
}

const RULE_NAME = /^[a-z][a-z0-9_]{0,63}$/;

function readRules(part: unknown, faults: string[]): Record<string, RuleSwitch> {
  const rules: Record<string, RuleSwitch> = {};
  if (!isObject(part)) {
    faults.push("rules is not an object");
    return rules;
  }
  for (const [name, own] of Object.entries(part)) {
    if (!RULE_NAME.test(name) || !isObject(own)) {
      faults.push(`rules.${name} is not an object under a rule's name`);
      continue;
    }
    const { mode, action } = own;
    if (mode !== undefined && !modes.includes(mode)) faults.push(`rules.${name}.mode is unknown`);
    if (action !== undefined && !actions.includes(action))
      faults.push(`rules.${name}.action is unknown`);
    const risk = readNumbers(
      `rules.${name}`,
      own,
      { risk_score: { min: 0, max: 100, integer: true } },
      faults,
    );
    rules[name] = {
      ...(mode === undefined ? {} : { mode: mode as RuleMode }),
      ...(action === undefined ? {} : { action: action as RuleAction }),
      ...risk,
    };
  }
  return rules;
}
