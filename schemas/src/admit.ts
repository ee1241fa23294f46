import { dlq, drop, type Outcome, ok } from "@vigie/core/outcome";
import { MINUTE_MS } from "@vigie/core/time";
import { type TopicName, topics } from "./catalogue.ts";
import { contractOf } from "./codec-core.ts";
import {
  anyTime,
  type Constraint,
  constraints,
  kindFields,
  required,
  timeFields,
  USER_AGENT_MAX_LENGTH,
} from "./constraints.ts";
import {
  type AvroRecord,
  type AvroSchema,
  isRecord,
  isTime,
  namedTypes,
  nonNull,
} from "./contracts.ts";

/** What is wrong with one field of a value. */
export interface Fault {
  readonly path: string;
  readonly why: string;
}

export interface AdmitLimits {
  /** When the broker appended the record. */
  readonly recordTimestampMs: number;
  readonly maxEventAgeMs: number;
  /** Clocks of producers that run ahead by at most this are believed. */
  readonly maxAheadMs: number;
}

/** Source: DESIGN, what is wrong with a record. */
export const MAX_AHEAD_MS_DEFAULT = 5 * MINUTE_MS;

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: Fields, faults: Fault[]) => void;

/**
 * Judges a decoded value before it may touch a state: ranges, kind, key and age. Fields left out by a projection
 * are not judged. A user agent is cut to its length and freed of NUL (no database takes it), never a fault.
 * Returns: the value; drop(unknown_kind); or dlq with VIG_EVENT_FIELD_INVALID, VIG_RECORD_KEY_MISMATCH,
 * VIG_EVENT_AHEAD or VIG_EVENT_TOO_OLD.
 */
export function admitEvent<V extends object>(
  topic: TopicName,
  value: V,
  key: string,
  limits: AdmitLimits,
): Outcome<V> {
  const fields = value as Fields;
  const judge = judgeOf(topic);
  const fault = faultsOf(judge, fields)[0];
  if (fault !== undefined) return dlq("VIG_EVENT_FIELD_INVALID", { ...fault });
  if (judge.kind !== undefined && fields[judge.kind] === "UNKNOWN") return drop("unknown_kind");
  if (judge.namesUser && !namesUser(key, fields)) return dlq("VIG_RECORD_KEY_MISMATCH");
  const late = judge.time === undefined ? null : outOfTime(fields[judge.time], limits);
  return late ?? ok(cutUserAgent(value));
}

/** Every fault of a value against the table of constraints; empty when there is none. */
export function checkEvent(topic: TopicName, value: object): readonly Fault[] {
  return faultsOf(judgeOf(topic), value as Fields);
}

/** What is known of a topic's values beforehand: gathered once, since it is asked for every record. */
interface Judge {
  readonly check: Check;
  /** Where a value says what happened, and when. */
  readonly kind: string | undefined;
  readonly time: string | undefined;
  /** Whether the key is the user's. */
  readonly namesUser: boolean;
}

const judges = new Map<TopicName, Judge>();

function judgeOf(topic: TopicName): Judge {
  const known = judges.get(topic);
  if (known !== undefined) return known;
  const { schema } = contractOf(topic);
  const judge = {
    check: compileCheck(schema),
    kind: kindFields[schema.name],
    time: timeFields[schema.name],
    namesUser: topics[topic].key === "tenant|user",
  };
  judges.set(topic, judge);
  return judge;
}

const none: readonly Fault[] = [];

function faultsOf({ check }: Judge, fields: Fields): readonly Fault[] {
  const faults: Fault[] = [];
  check(fields, faults);
  return faults.length === 0 ? none : faults;
}

/** Compared in place: joining tenant and user for every record would cost a string each. */
function namesUser(key: string, fields: Fields): boolean {
  const tenant = fields.tenant_id as string;
  const user = fields.user_id as string;
  return (
    key.length === tenant.length + 1 + user.length &&
    key.startsWith(tenant) &&
    key.charCodeAt(tenant.length) === 0x7c &&
    key.endsWith(user)
  );
}

function outOfTime(atMs: unknown, limits: AdmitLimits): Outcome<never> | null {
  if (typeof atMs !== "number") return null;
  const aheadMs = atMs - limits.recordTimestampMs;
  if (aheadMs > limits.maxAheadMs) return dlq("VIG_EVENT_AHEAD", { aheadMs });
  if (-aheadMs > limits.maxEventAgeMs) return dlq("VIG_EVENT_TOO_OLD", { behindMs: -aheadMs });
  return null;
}

function cutUserAgent<V extends object>(value: V): V {
  const { network } = value as {
    readonly network?: { readonly user_agent?: string | null } | null;
  };
  const userAgent = network?.user_agent;
  if (typeof userAgent !== "string") return value;
  if (userAgent.length <= USER_AGENT_MAX_LENGTH && !userAgent.includes("\0")) return value;
  const cut = userAgent.replaceAll("\0", "").slice(0, USER_AGENT_MAX_LENGTH).toWellFormed();
  return { ...value, network: { ...network, user_agent: cut } };
}

/** The checks of a contract as one function. */
function compileCheck(schema: AvroRecord): Check {
  return compileRecord(schema, "", (name) => namedTypes(schema).get(name)?.[0]);
}

/** Shape: path of the record in the value, "" or ending in a dot. */
function compileRecord(
  record: AvroRecord,
  path: string,
  resolve: (name: string) => AvroSchema | undefined,
): Check {
  const table = constraints[record.name] ?? {};
  const steps: { readonly field: string; readonly check: FieldCheck }[] = [];
  for (const { name: field, type: declared } of record.fields) {
    const inner = nonNull(declared);
    const type = typeof inner === "string" ? (resolve(inner) ?? inner) : inner;
    const constraint = table[field];
    const at = path + field;
    if (constraint !== undefined) steps.push({ field, check: compileField(constraint, at) });
    else if (isTime(type)) steps.push({ field, check: compileField(anyTime, at) });
    else if (type === "double") steps.push({ field, check: finite(at) });
    else if (isRecord(type)) {
      const check = compileRecord(type, `${at}.`, resolve);
      steps.push({ field, check: (content, faults) => check(content as Fields, faults) });
    }
  }
  const needs = required[record.name];
  return (value, faults) => {
    for (let i = 0; i < steps.length; i++) {
      const { field, check } = steps[i] as (typeof steps)[number];
      const content = value[field];
      if (content !== null && content !== undefined) check(content, faults);
    }
    if (needs !== undefined) checkRequired(needs, value, path, faults);
  };
}

type FieldCheck = (content: unknown, faults: Fault[]) => void;

const finite =
  (path: string): FieldCheck =>
  (content, faults) => {
    if (!Number.isFinite(content)) faults.push({ path, why: "is not finite" });
  };

function compileField(constraint: Constraint, path: string): FieldCheck {
  if (constraint.kind === "number") {
    const { min, max } = constraint;
    const why = max === Number.MAX_VALUE ? `is not at least ${min}` : `is not in ${min}..${max}`;
    return (content, faults) => {
      const fits = (content as number) >= min && (content as number) <= max;
      if (!fits) faults.push({ path, why });
    };
  }
  if (constraint.kind === "texts") {
    const { each, maxItems } = constraint;
    return (content, faults) => {
      const items = content as readonly string[];
      if (items.length > maxItems) {
        faults.push({ path, why: `has more than ${maxItems} items` });
      } else if (!items.every((item) => isText(item, each))) {
        faults.push({ path, why: `an item is not ${each.says}` });
      }
    };
  }
  return (content, faults) => {
    if (!isText(content as string, constraint)) {
      faults.push({ path, why: `is not ${constraint.says}` });
    }
  };
}

type TextConstraint = Extract<Constraint, { kind: "text" }>;

const isText = (content: string, { pattern, maxLength }: TextConstraint): boolean =>
  content.length <= maxLength && pattern.test(content);

function checkRequired(
  needs: Readonly<Record<string, readonly string[]>>,
  value: Fields,
  path: string,
  faults: Fault[],
): void {
  const kind = value.kind;
  for (const field of needs[String(kind)] ?? []) {
    const why = `is required for ${kind}`;
    if (value[field] === null) faults.push({ path: path + field, why });
  }
}
