import { dlq, drop, type Outcome, ok } from "@vigie/core/outcome";
import { MINUTE_MS } from "@vigie/core/time";
import { type TopicName, topics } from "./catalogue.ts";
import { contractOf } from "./codec-core.ts";
import {
  type Constraint,
  constraints,
  kindFields,
  required,
  timeFields,
  USER_AGENT_MAX_LENGTH,
} from "./constraints.ts";
import { type AvroRecord, type AvroSchema, isRecord, namedTypes, nonNull } from "./contracts.ts";

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
type Check = (value: Fields, path: string, faults: Fault[]) => void;

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
  const record = recordOf(topic);
  const [fault] = checkEvent(topic, value);
  if (fault !== undefined) return dlq("VIG_EVENT_FIELD_INVALID", { ...fault });
  const kind = kindFields[record];
  if (kind !== undefined && fields[kind] === "UNKNOWN") return drop("unknown_kind");
  if (topics[topic].key === "tenant|user" && !namesUser(key, fields)) {
    return dlq("VIG_RECORD_KEY_MISMATCH");
  }
  return outOfTime(fields[timeFields[record] ?? ""], limits) ?? ok(cutUserAgent(value));
}

/** Every fault of a value against the table of constraints; empty when there is none. */
export function checkEvent(topic: TopicName, value: object): readonly Fault[] {
  let check = checks.get(topic);
  if (check === undefined) {
    check = compileCheck(topic);
    checks.set(topic, check);
  }
  const faults: Fault[] = [];
  check(value as Fields, "", faults);
  return faults.length === 0 ? none : faults;
}

const none: readonly Fault[] = [];
const checks = new Map<TopicName, Check>();

const recordOf = (topic: TopicName): string => contractOf(topic).schema.name;

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

/** The checks of a contract as one function: built once, since it runs for every record. */
function compileCheck(topic: TopicName): Check {
  const { schema } = contractOf(topic);
  return compileRecord(schema, (name) => namedTypes(schema).get(name)?.[0]);
}

function compileRecord(
  record: AvroRecord,
  resolve: (name: string) => AvroSchema | undefined,
): Check {
  const table = constraints[record.name] ?? {};
  const steps: { readonly field: string; readonly check: FieldCheck }[] = [];
  for (const field of record.fields) {
    const inner = nonNull(field.type);
    const type = typeof inner === "string" ? (resolve(inner) ?? inner) : inner;
    const constraint = table[field.name];
    if (constraint !== undefined)
      steps.push({ field: field.name, check: compileField(constraint) });
    else if (type === "double") steps.push({ field: field.name, check: finite });
    else if (isRecord(type)) {
      const check = compileRecord(type, resolve);
      steps.push({ field: field.name, check: nested(check) });
    }
  }
  const needs = required[record.name];
  return (value, path, faults) => {
    for (const { field, check } of steps) {
      const content = value[field];
      if (content !== null && content !== undefined) check(content, path, field, faults);
    }
    if (needs !== undefined) checkRequired(needs, value, path, faults);
  };
}

type FieldCheck = (content: unknown, path: string, field: string, faults: Fault[]) => void;

const at = (path: string, field: string): string => (path === "" ? field : `${path}.${field}`);

const nested =
  (check: Check): FieldCheck =>
  (content, path, field, faults) =>
    check(content as Fields, at(path, field), faults);

const finite: FieldCheck = (content, path, field, faults) => {
  if (!Number.isFinite(content)) faults.push({ path: at(path, field), why: "is not finite" });
};

function compileField(constraint: Constraint): FieldCheck {
  if (constraint.kind === "number") {
    const { min, max } = constraint;
    const why = max === Number.MAX_VALUE ? `is not at least ${min}` : `is not in ${min}..${max}`;
    return (content, path, field, faults) => {
      const fits = (content as number) >= min && (content as number) <= max;
      if (!fits) faults.push({ path: at(path, field), why });
    };
  }
  if (constraint.kind === "texts") {
    const { each, maxItems } = constraint;
    return (content, path, field, faults) => {
      const items = content as readonly string[];
      if (items.length > maxItems) {
        faults.push({ path: at(path, field), why: `has more than ${maxItems} items` });
      } else if (!items.every((item) => isText(item, each))) {
        faults.push({ path: at(path, field), why: `an item is not ${each.says}` });
      }
    };
  }
  return (content, path, field, faults) => {
    if (isText(content as string, constraint)) return;
    faults.push({ path: at(path, field), why: `is not ${constraint.says}` });
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
    if (value[field] === null) faults.push({ path: at(path, field), why });
  }
}
